// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { it } from 'node:test';
import { encodeOtlp } from '../../codecs/otlp/encode.ts';
import type { Admission } from '../../component/admission.ts';
import { RetryableError } from '../../consumer/consumer.ts';
import { RecordingConsumer } from '../../internal/testing/recording-consumer.ts';
import { never, testHost, testSettings } from '../../internal/testing/settings.ts';
import { batchFromFolded } from '../../pdata/folded.ts';
import { otlpReceiverSchema } from './config.ts';
import { OtlpReceiver } from './receiver.ts';
import { PROTOBUF, running } from './testing/running-receiver.ts';

const body = Buffer.from(encodeOtlp(batchFromFolded('main 1'), { revision: '1.10' }));
const middlewares = [{ id: 'memory_limiter' }];

/** An extension that lets in what the test says. */
class Gate implements Admission {
  isShut = false;

  start(): Promise<void> {
    return Promise.resolve();
  }

  shutdown(): Promise<void> {
    return Promise.resolve();
  }

  refuse(): RetryableError | undefined {
    return this.isShut ? new RetryableError('full') : undefined;
  }
}

it('asks the middlewares of a protocol before a request is read, and tells clients to come again', async (t) => {
  const gate = new Gate();
  const host = testHost({ memory_limiter: gate });
  const { url, send, next, settings } = await running(
    t,
    { grpc: { middlewares }, http: { middlewares } },
    {},
    host,
  );
  const post = () => fetch(url, { method: 'POST', headers: { 'content-type': PROTOBUF }, body });
  await send(body);
  assert.equal((await post()).status, 200);
  gate.isShut = true;
  await assert.rejects(send(body), { code: 8, details: 'full' });
  const refused = await post();
  assert.match(Buffer.from(await refused.arrayBuffer()).toString('latin1'), /full/);
  assert.deepEqual([refused.status, refused.headers.get('retry-after')], [429, '1']);
  assert.equal(next.batches.length, 2);
  assert.equal(settings.meter.value('receiver_refused_requests', { reason: 'busy' }), 2);
  gate.isShut = false;
  assert.equal((await post()).status, 200);
});

it('does not read or unpack a compressed request that is not let in', async (t) => {
  const gate = new Gate();
  gate.isShut = true;
  const { url } = await running(t, { http: { middlewares } }, {}, testHost({ memory_limiter: gate }));
  const { port, pathname } = new URL(url);
  const socket = connect(Number(port), '127.0.0.1');
  t.after(() => socket.destroy());
  // Its body is announced, and does not come.
  socket.write(
    `POST ${pathname} HTTP/1.1\r\nhost: a\r\ncontent-type: ${PROTOBUF}\r\n` +
      'content-encoding: gzip\r\ncontent-length: 1000\r\n\r\n',
  );
  const answer = once(socket, 'data').then(([chunk]) => String(chunk));
  const late = new Promise<string>((resolve) => setTimeout(resolve, 2_000, 'no answer').unref());
  assert.match(await Promise.race([answer, late]), /^HTTP\/1.1 429 /);
});

it('asks on behalf of the protocol alone that names them', async (t) => {
  const gate = new Gate();
  gate.isShut = true;
  const { url, send } = await running(t, { grpc: { middlewares } }, {}, testHost({ memory_limiter: gate }));
  await assert.rejects(send(body), { code: 8 });
  assert.equal(
    (await fetch(url, { method: 'POST', headers: { 'content-type': PROTOBUF }, body })).status,
    200,
  );
});

it('does not start with a middleware that is not there or is none', async () => {
  const config = otlpReceiverSchema.parse({ protocols: { http: { endpoint: '127.0.0.1:0', middlewares } } });
  const receiver = new OtlpReceiver(testSettings('otlp'), config, new RecordingConsumer());
  await assert.rejects(
    receiver.start(testHost(), never()),
    /failed to resolve middleware "memory_limiter": middleware not found/,
  );
  const other = { start: () => Promise.resolve(), shutdown: () => Promise.resolve() };
  await assert.rejects(
    receiver.start(testHost({ memory_limiter: other }), never()),
    /requested extension is not a middleware/,
  );
});
