// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer as createHttp2Server, type ServerHttp2Session } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, describe, it } from 'node:test';
import { ServerCredentials, status } from '@grpc/grpc-js';
import { decodeOtlp } from '../../src/codecs/otlp/decode.ts';
import { createOtlpGrpcExporter } from '../../src/exporters/otlp-grpc/exporter.ts';
import { schema } from '../../src/exporters/otlp-grpc/config.ts';
import { never, testHost, testSettings } from '../../src/internal/testing/settings.ts';
import { batchFromFolded, toFolded } from '../../src/pdata/folded.ts';
import { type OtlpSink, type SinkAnswer, startOtlpSink } from './otlp-sink.ts';
import { pythonEnv } from './python-env.ts';

const BATCH = batchFromFolded('main;idle 1\nmain;work;malloc 3', { attributes: { 'service.name': 'shop' } });
const DIRECT = {
  tls: { insecure: true },
  sending_queue: { enabled: false },
  retry_on_failure: { enabled: false },
};
const cleanups: (() => void)[] = [];
after(() => {
  for (const clean of cleanups) clean();
});

async function sink(answer?: SinkAnswer, credentials?: ServerCredentials): Promise<OtlpSink> {
  const started = await startOtlpSink(answer, credentials);
  cleanups.push(() => started.stop());
  return started;
}

async function exporterTo(endpoint: string, config: object = {}) {
  const settings = testSettings('otlp_grpc');
  const exporter = createOtlpGrpcExporter(settings, schema.parse({ endpoint, ...DIRECT, ...config }));
  await exporter.start(testHost(), never());
  return { settings, exporter };
}

async function sendOne(port: number, config: object = {}, host = '127.0.0.1') {
  const { exporter, settings } = await exporterTo(`${host}:${port}`, config);
  try {
    await exporter.consumeProfiles(BATCH, never());
  } finally {
    await exporter.shutdown(never());
  }
  return settings;
}

describe('otlp_grpc exporter', () => {
  it('delivers profiles with headers and its name', async () => {
    const receiver = await sink();
    await sendOne(receiver.port, { headers: { 'X-Scope-OrgID': 'team' } });
    const [request] = receiver.requests;
    assert.equal(toFolded(decodeOtlp(request?.bytes ?? Buffer.alloc(0))), toFolded(BATCH));
    assert.deepEqual(request?.metadata.get('x-scope-orgid'), ['team']);
    assert.match(
      String(request?.metadata.get('user-agent')),
      /^otelcol-profiles\/0\.0\.0-test \(linux\/\w+\)/,
    );
  });

  it('compresses with gzip, unless told not to', async () => {
    const seen: (string | undefined)[] = [];
    const server = createHttp2Server((request, response) => {
      request.resume();
      request.once('data', (frame: Buffer) =>
        seen.push(frame[0] === 1 ? String(request.headers['grpc-encoding']) : 'none'),
      );
      request.once('end', () => {
        response.writeHead(200, { 'content-type': 'application/grpc' });
        response.write(Buffer.alloc(5));
        response.addTrailers({ 'grpc-status': '0' });
        response.end();
      });
    });
    const sessions = new Set<ServerHttp2Session>();
    server.on('session', (session) => {
      sessions.add(session);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    for (const compression of ['gzip', 'none']) await sendOne(port, { compression });
    server.close();
    for (const session of sessions) session.destroy();
    assert.deepEqual(seen, ['gzip', 'none']);
  });

  it('understands all forms of an endpoint', async () => {
    const receiver = await sink();
    for (const prefix of ['', 'http://', 'dns:///']) await sendOne(receiver.port, {}, `${prefix}127.0.0.1`);
    assert.equal(receiver.requests.length, 3);
  });

  it('writes the older numbering of fields on request', async () => {
    const receiver = await sink();
    await sendOne(receiver.port, { protocol_revision: '1.9' });
    await sendOne(receiver.port, {});
    const [old, current] = receiver.requests;
    assert.notDeepEqual(old?.bytes, current?.bytes);
    assert.equal(toFolded(decodeOtlp(old?.bytes ?? Buffer.alloc(0))), toFolded(BATCH));
  });

  it('tells of a partial success and counts what was rejected', async () => {
    const receiver = await sink(() => Uint8Array.of(0x0a, 7, 0x08, 2, 0x12, 3, 0x6f, 0x6c, 0x64));
    const settings = await sendOne(receiver.port);
    const [warning] = settings.logger.entries.filter((e) => e.level === 'warn');
    assert.deepEqual(warning?.fields, { message: 'old', rejected_profiles: 2, sent_profiles: 1 });
    assert.equal(settings.meter.value('exporter_rejected_profiles'), 2);
    assert.equal(settings.meter.value('exporter_sent_profile_samples'), 2);
  });

  it('does not repeat what the receiver refuses for good', async () => {
    const receiver = await sink(() => ({ code: status.INVALID_ARGUMENT, details: 'bad profile' }));
    const failed = sendOne(receiver.port, { retry_on_failure: { enabled: true } });
    await assert.rejects(failed, {
      name: 'PermanentError',
      message: 'rpc error: code = InvalidArgument desc = bad profile',
    });
    assert.equal(receiver.requests.length, 1);
  });

  it('splits a batch that is larger than a request may be, and counts a refused part alone', async () => {
    const lines = Array.from({ length: 4_000 }, (_, i) => `main;function_number_${i} 1`).join('\n');
    const batch = batchFromFolded(lines);
    let asked = 0;
    const receiver = await sink(() =>
      ++asked === 2 ? { code: status.INVALID_ARGUMENT, details: 'no' } : new Uint8Array(0),
    );
    const { exporter, settings } = await exporterTo(`127.0.0.1:${receiver.port}`, {
      max_request_size_mib: 0.1,
    });
    await assert.rejects(exporter.consumeProfiles(batch, never()));
    await exporter.shutdown(never());
    assert.ok(receiver.requests.length > 2);
    for (const { bytes } of receiver.requests) assert.ok(bytes.length <= 0.1 * 2 ** 20, String(bytes.length));
    const counts = receiver.requests.map(({ bytes }) => decodeOtlp(bytes).sampleCount);
    assert.equal(
      counts.reduce((a, b) => a + b, 0),
      4_000,
    );
    assert.equal(
      settings.meter.value('exporter_send_failed_profile_samples', { error_type: 'Invalid_Argument' }),
      counts[1],
    );
    assert.equal(settings.meter.value('exporter_sent_profile_samples'), 4_000 - (counts[1] ?? 0));
  });

  it('speaks TLS, and refuses a server that it cannot verify', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'otlp-tls-'));
    cleanups.push(() => rmSync(folder, { recursive: true }));
    const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
    const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'];
    const made = [
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-days',
      '1',
    ];
    execFileSync('openssl', [...made, '-keyout', key, '-out', cert, ...subject], { stdio: 'ignore' });
    const pair = { private_key: readFileSync(key), cert_chain: readFileSync(cert) };
    const receiver = await sink(undefined, ServerCredentials.createSsl(null, [pair]));
    await sendOne(receiver.port, { tls: { ca_file: cert, server_name_override: 'localhost' } });
    await sendOne(receiver.port, { tls: { insecure_skip_verify: true } });
    assert.equal(receiver.requests.length, 2);
    await assert.rejects(sendOne(receiver.port, { tls: {} }), /code = Unavailable/);
    const missing = exporterTo('localhost:1', { tls: { ca_file: '/nonexistent' } });
    await assert.rejects(missing, /failed to load ca_file "\/nonexistent"/);
  });
});

interface PythonRecord {
  readonly metadata: Readonly<Record<string, string>>;
  readonly attributes: readonly string[];
  readonly folded: readonly string[];
}

/** The sink of otlp-sink.py; `records` grows with each request. */
async function pythonSink(
  port: number,
  records: PythonRecord[],
): Promise<{ child: ChildProcess; port: number }> {
  const { python, env } = pythonEnv();
  const script = join(import.meta.dirname, 'otlp-sink.py');
  const child = spawn(python, [script, String(port)], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  cleanups.push(() => child.kill('SIGKILL'));
  const lines = createInterface({ input: child.stdout });
  const [first] = (await once(lines, 'line')) as [string];
  lines.on('line', (line) => records.push(JSON.parse(line) as PythonRecord));
  return { child, port: (JSON.parse(first) as { port: number }).port };
}

describe('otlp_grpc exporter and a server of another maker', () => {
  it('is understood by grpcio and the published protobuf definitions', async () => {
    const records: PythonRecord[] = [];
    const { port } = await pythonSink(0, records);
    await sendOne(port);
    // What the server prints comes another way than its reply.
    await until(() => records.length > 0);
    const [record] = records;
    assert.deepEqual(record?.folded.toSorted(), toFolded(BATCH).split('\n'));
    assert.deepEqual(record.attributes, ['service.name=shop']);
  });

  it('delivers everything once when the server is killed and comes back', async () => {
    const records: PythonRecord[] = [];
    const first = await pythonSink(0, records);
    const { exporter, settings } = await exporterTo(`127.0.0.1:${first.port}`, {
      sending_queue: {},
      retry_on_failure: { enabled: true, initial_interval: '30s' },
    });
    first.child.kill('SIGKILL');
    await once(first.child, 'exit');
    for (let i = 0; i < 25; i++) await exporter.consumeProfiles(batchFromFolded(`main;work${i} 1`), never());
    await until(() => settings.logger.messages('warn').length > 0);
    await pythonSink(first.port, records);
    await until(() => settings.meter.value('exporter_sent_profile_samples') === 25);
    await exporter.shutdown(never());
    // The answer may be here before what the server prints.
    await until(() => records.length >= 25);
    const stacks = records.flatMap((r) => r.folded);
    assert.equal(stacks.length, 25);
    assert.equal(new Set(stacks).size, 25);
  });
});

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setImmediate(resolve));
}
