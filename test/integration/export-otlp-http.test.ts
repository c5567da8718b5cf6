// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, describe, it } from 'node:test';
import { PermanentError, RetryableError } from '../../src/consumer/consumer.ts';
import { schema } from '../../src/exporters/otlp-http/config.ts';
import { createOtlpHttpExporter } from '../../src/exporters/otlp-http/exporter.ts';
import { makeCertificates } from '../../src/internal/testing/certificates.ts';
import { RecordingConsumer } from '../../src/internal/testing/recording-consumer.ts';
import { never, testHost, testSettings } from '../../src/internal/testing/settings.ts';
import { batchFromFolded, toFolded } from '../../src/pdata/folded.ts';
import { otlpReceiverSchema } from '../../src/receivers/otlp/config.ts';
import { OtlpReceiver } from '../../src/receivers/otlp/receiver.ts';
import { pythonEnv } from './python-env.ts';

const BATCH = batchFromFolded('main;idle 1\nmain;work;malloc 3', { attributes: { 'service.name': 'shop' } });
const COMPRESSIONS = ['none', 'gzip', 'zlib', 'deflate', 'zstd', 'snappy', 'x-snappy-framed', 'lz4'];
const DIRECT = { sending_queue: { enabled: false }, retry_on_failure: { enabled: false } };
const cleanups: (() => void | Promise<void>)[] = [];
after(async () => {
  for (const clean of cleanups) await clean();
});

async function exporterTo(endpoint: string, config: object = {}) {
  const settings = testSettings('otlp_http');
  const exporter = createOtlpHttpExporter(settings, schema.parse({ endpoint, ...DIRECT, ...config }));
  await exporter.start(testHost(), never());
  return { settings, exporter };
}

async function sendOne(endpoint: string, config: object = {}) {
  const { exporter, settings } = await exporterTo(endpoint, config);
  try {
    await exporter.consumeProfiles(BATCH, never());
  } finally {
    await exporter.shutdown(never());
  }
  return settings;
}

interface PythonRecord {
  readonly metadata: Readonly<Record<string, string>>;
  readonly attributes: readonly string[];
  readonly folded: readonly string[];
}

/** The server of otlp-http-sink.py. */
async function pythonSink(port = 0, records: PythonRecord[] = []) {
  const { python, env } = pythonEnv();
  const script = join(import.meta.dirname, 'otlp-http-sink.py');
  const child: ChildProcess = spawn(python, [script, String(port)], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  cleanups.push(() => void child.kill('SIGKILL'));
  assert.ok(child.stdout);
  const lines = createInterface({ input: child.stdout });
  const [first] = (await once(lines, 'line')) as [string];
  lines.on('line', (line) => records.push(JSON.parse(line) as PythonRecord));
  const bound = (JSON.parse(first) as { port: number }).port;
  return { child, port: bound, url: `http://127.0.0.1:${bound}`, records };
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setImmediate(resolve));
}

describe('otlp_http exporter and a server of another maker', () => {
  it('is understood in every compression and encoding', async () => {
    const { url, records } = await pythonSink();
    for (const encoding of ['proto', 'json']) {
      for (const compression of COMPRESSIONS) {
        records.length = 0;
        await sendOne(url, { compression, encoding });
        await until(() => records.length > 0);
        const [record] = records;
        assert.deepEqual(record?.folded.toSorted(), toFolded(BATCH).split('\n'), compression);
        assert.deepEqual(record.attributes, ['service.name=shop']);
        assert.equal(record.metadata['content-encoding'] ?? 'none', compression);
        const type = encoding === 'json' ? 'application/json' : 'application/x-protobuf';
        assert.equal(record.metadata['content-type'], type);
      }
    }
  });

  it('sends its name, the headers that are configured, and the user of the URL', async () => {
    const { url, records } = await pythonSink();
    await sendOne(`${url.replace('://', '://us%40er:word@')}/otlp/`, {
      headers: { 'X-Scope-OrgID': 'team' },
    });
    await sendOne(url, { profiles_endpoint: `${url}/in?tenant=a` });
    await until(() => records.length === 2);
    const [first, second] = records.map((record) => record.metadata);
    assert.equal(first?.['path'], '/otlp/v1development/profiles');
    assert.equal(first?.['x-scope-orgid'], 'team');
    assert.match(first?.['user-agent'] ?? '', /^otelcol-profiles\/0\.0\.0-test \(linux\/\w+\)$/);
    assert.equal(first?.['authorization'], `Basic ${Buffer.from('us@er:word').toString('base64')}`);
    assert.equal(second?.['path'], '/in?tenant=a');
    assert.equal(second?.['authorization'], undefined);
  });

  it('tells of a partial success in either encoding and counts what was rejected', async () => {
    const { url } = await pythonSink();
    for (const encoding of ['proto', 'json']) {
      const settings = await sendOne(`${url}/partial`, { encoding });
      const [warning] = settings.logger.entries.filter((e) => e.level === 'warn');
      assert.deepEqual(warning?.fields, { message: 'too old', rejected_profiles: 2, sent_profiles: 1 });
      assert.equal(settings.meter.value('exporter_rejected_profiles'), 2);
      assert.equal(settings.meter.value('exporter_sent_profile_samples'), 2);
    }
  });

  it('tries again later when it is asked to, and never what is refused for good', async () => {
    const { url } = await pythonSink();
    await assert.rejects(sendOne(`${url}/busy`), (error: Error) => {
      assert.ok(error instanceof RetryableError);
      assert.equal(error.retryAfterMs, 7_000);
      assert.equal(error.message, 'server answered 503: come back');
      return true;
    });
    const { exporter, settings } = await exporterTo(`${url}/bad`, { retry_on_failure: { enabled: true } });
    await assert.rejects(exporter.consumeProfiles(BATCH, never()), {
      name: 'PermanentError',
      message: 'server answered 400: bad profile',
    });
    await exporter.shutdown(never());
    assert.equal(settings.meter.value('exporter_send_failed_profile_samples', { error_type: '400' }), 2);
  });

  it('delivers everything once when the server is killed and comes back', async () => {
    const { child, port, url, records } = await pythonSink();
    const { exporter, settings } = await exporterTo(url, {
      sending_queue: {},
      retry_on_failure: { enabled: true, initial_interval: '30s' },
    });
    await exporter.consumeProfiles(batchFromFolded('main;before 1'), never());
    await until(() => settings.meter.value('exporter_sent_profile_samples') === 1);
    child.kill('SIGKILL');
    await once(child, 'exit');
    for (let i = 0; i < 25; i++) await exporter.consumeProfiles(batchFromFolded(`main;work${i} 1`), never());
    await until(() => settings.logger.messages('warn').length > 0);
    await pythonSink(port, records);
    await until(() => settings.meter.value('exporter_sent_profile_samples') === 26);
    await exporter.shutdown(never());
    // The answer may be here before what the server prints.
    await until(() => records.length >= 26);
    const stacks = records.flatMap((r) => r.folded);
    assert.equal(stacks.length, 26);
    assert.equal(new Set(stacks).size, 26);
  });
});

/** Our own receiver; `http` are its keys. */
async function ownReceiver(http: object = {}) {
  const settings = testSettings('otlp');
  const next = new RecordingConsumer();
  const config = otlpReceiverSchema.parse({ protocols: { http: { endpoint: 'localhost:0', ...http } } });
  const receiver = new OtlpReceiver(settings, config, next);
  await receiver.start(testHost(), never());
  cleanups.push(() => receiver.shutdown(AbortSignal.abort()));
  const [listens] = settings.logger.entries;
  return { next, endpoint: String(listens?.fields['endpoint']) };
}

describe('otlp_http exporter and our own receiver', () => {
  it('lose nothing in any compression and encoding', async () => {
    const { next, endpoint } = await ownReceiver();
    for (const encoding of ['proto', 'json']) {
      for (const compression of COMPRESSIONS) {
        next.batches.length = 0;
        await sendOne(`http://${endpoint}`, { encoding, compression });
        assert.equal(next.folded, toFolded(BATCH), `${encoding} ${compression}`);
      }
    }
  });

  it('tell each other why a request was refused', async () => {
    const { next, endpoint } = await ownReceiver({ max_request_body_size: 100 });
    const url = `http://${endpoint}`;
    await assert.rejects(sendOne(url, { compression: 'none' }), (error: Error) => {
      assert.ok(error instanceof PermanentError);
      assert.match(error.message, /^server answered 413: request body is larger than 100 bytes; raise/);
      return true;
    });
    const roomy = await ownReceiver();
    roomy.next.failWith(new RetryableError('queue is full', { retryAfterMs: 1_500 }));
    for (const encoding of ['proto', 'json']) {
      await assert.rejects(sendOne(`http://${roomy.endpoint}`, { encoding }), {
        name: 'RetryableError',
        message: 'server answered 503: queue is full',
        retryAfterMs: 2_000,
      });
    }
    assert.equal(next.offered.length, 0);
  });

  it('split what is larger than a request may be', async () => {
    const { next, endpoint } = await ownReceiver({ max_request_body_size: 110_000 });
    const folded = Array.from({ length: 4_000 }, (_, i) => `main;function_number_${i} 1`).join('\n');
    const { exporter, settings } = await exporterTo(`http://${endpoint}`, { max_request_size_mib: 0.1 });
    await exporter.consumeProfiles(batchFromFolded(folded), never());
    await exporter.shutdown(never());
    assert.ok(next.batches.length > 2);
    assert.equal(next.sampleCount, 4_000);
    assert.equal(settings.meter.value('exporter_sent_profile_samples'), 4_000);
  });

  it('speak TLS, and refuse a server that cannot be verified', async () => {
    const { ca, server } = makeCertificates();
    const { next, endpoint } = await ownReceiver({ tls: { cert_pem: server.cert, key_pem: server.key } });
    await sendOne(`https://${endpoint}`, { tls: { ca_pem: ca } });
    await sendOne(`https://${endpoint}`, { tls: { insecure_skip_verify: true } });
    assert.equal(next.batches.length, 2);
    await assert.rejects(sendOne(`https://${endpoint}`), /no answer from https:.*certificate/);
  });
});

describe('without the codecs addon', () => {
  it('compressions that need it are refused where they are configured', async () => {
    const main = join(import.meta.dirname, '..', '..', 'src', 'main.ts');
    const config = `yaml:
receivers: {otlp: {protocols: {http: {compression_algorithms: [gzip, lz4]}}}}
exporters: {otlp_http: {endpoint: "http://a", compression: snappy}}
service: {pipelines: {profiles: {receivers: [otlp], exporters: [otlp_http]}}}
`;
    const child = spawn(process.execPath, ['--import', 'tsx', main, 'validate', '--config', config], {
      env: { ...process.env, OTELCOL_PROFILES_NO_ADDON: '1' },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let errors = '';
    child.stderr.on('data', (chunk: Buffer) => {
      errors += chunk.toString();
    });
    const [code] = (await once(child, 'close')) as [number];
    assert.notEqual(code, 0);
    assert.match(errors, /compression_algorithms\[1\]: "lz4" needs the codecs addon/);
    assert.match(errors, /otlp_http::compression: "snappy" needs the codecs addon/);
  });
});
