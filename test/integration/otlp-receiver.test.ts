// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { encodeOtlp } from '../../src/codecs/otlp/encode.ts';
import { encodeOtlpJson } from '../../src/codecs/otlp/json.ts';
import { RetryableError } from '../../src/consumer/consumer.ts';
import { packageRoot } from '../../src/internal/package-root.ts';
import { RecordingConsumer } from '../../src/internal/testing/recording-consumer.ts';
import { never, testHost, testSettings } from '../../src/internal/testing/settings.ts';
import { batchFromFolded } from '../../src/pdata/folded.ts';
import { otlpReceiverSchema } from '../../src/receivers/otlp/config.ts';
import { OtlpReceiver } from '../../src/receivers/otlp/receiver.ts';
import { pythonEnv } from './python-env.ts';

const run = promisify(execFile);
const FOLDED = 'main;idle 1\nmain;work 2';
const batch = batchFromFolded(FOLDED, { attributes: { 'service.name': 'shop' } });

describe('the OTLP receiver and foreign clients', () => {
  const dir = mkdtempSync(join(tmpdir(), 'otlp-'));
  const next = new RecordingConsumer();
  const settings = testSettings('otlp');
  const config = otlpReceiverSchema.parse({
    protocols: { grpc: { endpoint: 'localhost:0' }, http: { endpoint: 'localhost:0' } },
  });
  const receiver = new OtlpReceiver(settings, config, next);
  const request = join(dir, 'request.bin');
  let grpc = '';
  let url = '';

  before(async () => {
    writeFileSync(request, encodeOtlp(batch, { revision: '1.10' }));
    await receiver.start(testHost(), never());
    const [first, second] = settings.logger.entries.map((entry) => String(entry.fields['endpoint']));
    grpc = first ?? '';
    url = `http://${second}/v1development/profiles`;
  });
  after(async () => {
    await receiver.shutdown(never());
    rmSync(dir, { recursive: true });
  });

  /** Sends with Python's grpcio; gives the status. */
  async function python(compression: 'none' | 'gzip'): Promise<Record<string, unknown>> {
    const { python: program, env } = pythonEnv();
    const script = join(packageRoot(), 'test', 'integration', 'otlp-client.py');
    const { stdout } = await run(program, [script, grpc, compression, request], { env });
    return JSON.parse(stdout) as Record<string, unknown>;
  }

  /** Sends a file with curl; gives "status content-type". */
  async function curl(file: string, ...headers: string[]): Promise<string> {
    const args = headers.flatMap((header) => ['-H', header]);
    const write = '%{http_code} %{content_type}';
    const { stdout } = await run('curl', [
      '-sS',
      '-o',
      '/dev/null',
      '-w',
      write,
      '--data-binary',
      `@${file}`,
      ...args,
      url,
    ]);
    return stdout;
  }

  it('takes what grpcio sends, compressed or not', async () => {
    for (const compression of ['none', 'gzip'] as const) {
      next.batches.length = 0;
      assert.deepEqual(await python(compression), { code: 0, partial_success: false });
      assert.equal(next.folded, FOLDED);
      assert.equal(next.batches[0]?.resources[0]?.resource.attributes[0]?.key, 'service.name');
    }
  });

  it('tells grpcio why it may try again', async () => {
    next.failWith(new RetryableError('the queue is full'));
    assert.deepEqual(await python('none'), { code: 14, details: 'the queue is full' });
    next.failWith(undefined);
  });

  it('takes what curl posts: protobuf, JSON and gzip', async () => {
    const json = join(dir, 'request.json');
    const zipped = join(dir, 'request.bin.gz');
    writeFileSync(json, encodeOtlpJson(batch));
    writeFileSync(zipped, gzipSync(encodeOtlp(batch, { revision: '1.9' })));
    next.batches.length = 0;
    const protobuf = 'content-type: application/x-protobuf';
    assert.equal(await curl(request, protobuf), '200 application/x-protobuf');
    assert.equal(await curl(json, 'content-type: application/json'), '200 application/json');
    assert.equal(await curl(zipped, protobuf, 'content-encoding: gzip'), '200 application/x-protobuf');
    assert.equal(next.batches.length, 3);
    assert.equal(await curl(json, protobuf), '400 application/x-protobuf');
  });

  it('tells curl that a body is too large, with and without "Expect: 100-continue"', async () => {
    const large = join(dir, 'large.bin');
    writeFileSync(large, Buffer.alloc(24 * 1024 * 1024));
    const protobuf = 'content-type: application/x-protobuf';
    for (const header of ['expect: 100-continue', 'expect:', 'transfer-encoding: chunked']) {
      assert.equal(await curl(large, protobuf, header), '413 application/x-protobuf', header);
    }
  });

  it('takes every encoding of Python, refuses what is wrong, and serves on', async () => {
    next.batches.length = 0;
    const { python: program, env } = pythonEnv();
    const script = join(packageRoot(), 'test', 'integration', 'otlp-http-client.py');
    const { stdout } = await run(program, [script, url, request], { env });
    const encodings = ['identity', 'gzip', 'zlib', 'deflate', 'zstd', 'snappy', 'x-snappy-framed', 'lz4'];
    const taken = [...encodings, 'json', 'chunked', 'after refusals', 'at the end'];
    const bombs = ['gzip', 'zstd', 'lz4', 'x-snappy-framed'].map((name) => `bomb ${name}`);
    assert.deepEqual(JSON.parse(stdout), {
      ...Object.fromEntries(taken.map((name) => [name, '200 stays open'])),
      ...Object.fromEntries(bombs.map((name) => [name, '413 stays open'])),
      'other encoding': '400 stays open',
      'unknown encoding': '415 stays open',
      'length too large': 'HTTP/1.1 400 Bad Request',
      // The beginning of the body is malformed; what is left of it is no request.
      'length too small': 'HTTP/1.1 400 Bad Request',
      'two lengths': 'HTTP/1.1 400 Bad Request',
      'no such length': 'HTTP/1.1 400 Bad Request',
      'announced 1 GiB': 'HTTP/1.1 413 Payload Too Large',
      'chunk cut short': 'HTTP/1.1 400 Bad Request',
    });
    assert.equal(next.batches.length, taken.length);
    assert.equal(settings.meter.value('receiver_otlp_in_flight_bytes'), 0);
  });
});
