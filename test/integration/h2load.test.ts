// SPDX-License-Identifier: Apache-2.0
// nghttp2's load generator: many streams on many connections, by an HTTP/2 implementation that is not Node's.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { encodeOtlp } from '../../src/codecs/otlp/encode.ts';
import { RetryableError } from '../../src/consumer/consumer.ts';
import { RecordingConsumer } from '../../src/internal/testing/recording-consumer.ts';
import { never, testHost, testSettings } from '../../src/internal/testing/settings.ts';
import { batchFromFolded } from '../../src/pdata/folded.ts';
import { otlpReceiverSchema } from '../../src/receivers/otlp/config.ts';
import { OtlpReceiver } from '../../src/receivers/otlp/receiver.ts';

const run = promisify(execFile);
const REQUESTS = 2_000;
const METHOD = '/opentelemetry.proto.collector.profiles.v1development.ProfilesService/Export';

describe('the OTLP receiver under h2load', () => {
  const dir = mkdtempSync(join(tmpdir(), 'h2load-'));
  const next = new RecordingConsumer();
  const settings = testSettings('otlp');
  const config = otlpReceiverSchema.parse({
    protocols: { grpc: { endpoint: 'localhost:0' }, http: { endpoint: 'localhost:0' } },
  });
  const receiver = new OtlpReceiver(settings, config, next);
  const message = encodeOtlp(batchFromFolded('main;idle 1\nmain;work 2'), { revision: '1.10' });
  const [plain, framed] = [join(dir, 'plain'), join(dir, 'framed')];
  let [grpc, http] = ['', ''];

  before(async () => {
    const header = Buffer.alloc(5);
    header.writeUInt32BE(message.length, 1);
    writeFileSync(plain, message);
    writeFileSync(framed, Buffer.concat([header, message]));
    await receiver.start(testHost(), never());
    [grpc = '', http = ''] = settings.logger.entries.map(({ fields }) => String(fields['endpoint']));
  });
  after(async () => {
    await receiver.shutdown(never());
    rmSync(dir, { recursive: true });
  });

  /** Gives the counts of h2load's line "requests" and of its line "status codes". */
  async function load(...args: readonly string[]): Promise<Record<string, number>> {
    next.batches.length = 0;
    const { stdout } = await run('h2load', ['-n', String(REQUESTS), ...args]);
    const counts = stdout.matchAll(/(\d+) (total|succeeded|failed|errored|timeout|[2345]xx)/g);
    return Object.fromEntries([...counts].map(([, count, what]) => [what ?? '', Number(count)]));
  }

  /** One HTTP/1.1 connection for each of 50 clients. */
  const loadHttp = (): Promise<Record<string, number>> => {
    const type = ['-H', 'content-type: application/x-protobuf'];
    return load('--h1', '-c', '50', '-d', plain, ...type, `http://${http}/v1development/profiles`);
  };

  it('takes every gRPC call on 20 connections of 50 streams', async () => {
    const streams = ['-c', '20', '-m', '50', '-d', framed];
    const headers = ['-H', 'content-type: application/grpc', '-H', 'te: trailers'];
    const counts = await load(...streams, ...headers, `http://${grpc}${METHOD}`);
    assert.deepEqual([counts['succeeded'], counts['failed'], counts['2xx']], [REQUESTS, 0, REQUESTS]);
    assert.equal(next.batches.length, REQUESTS);
  });

  it('takes every request over HTTP/1.1 on 50 connections', async () => {
    const counts = await loadHttp();
    assert.deepEqual([counts['succeeded'], counts['failed'], counts['2xx']], [REQUESTS, 0, REQUESTS]);
    assert.equal(next.batches.length, REQUESTS);
  });

  it('tells each client when nothing takes what it sends', async () => {
    next.failWith(new RetryableError('the queue is full'));
    const counts = await loadHttp();
    next.failWith(undefined);
    assert.deepEqual([counts['2xx'], counts['5xx'], counts['errored']], [0, REQUESTS, 0]);
  });

  it('answers calls of methods that it does not have, and goes on', async () => {
    const streams = ['-c', '10', '-m', '50', '-d', framed];
    const headers = ['-H', 'content-type: application/grpc', '-H', 'te: trailers'];
    const none = await load(...streams, ...headers, `http://${grpc}/nothing/Here`);
    // A gRPC error is HTTP status 200 with its own status behind.
    assert.deepEqual([none['errored'], none['timeout'], next.batches.length], [0, 0, 0]);
    const counts = await load(...streams, ...headers, `http://${grpc}${METHOD}`);
    assert.deepEqual([counts['2xx'], next.batches.length], [REQUESTS, REQUESTS]);
  });
});
