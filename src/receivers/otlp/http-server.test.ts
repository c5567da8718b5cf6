// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type ClientRequest, request as openRequest } from 'node:http';
import { describe, it, type TestContext } from 'node:test';
import { deflateRawSync, gzipSync } from 'node:zlib';
import protobuf from 'protobufjs';
import { encodeOtlp } from '../../codecs/otlp/encode.ts';
import { compress, type CompressionName, isSupported } from '../../compression/compression.ts';
import { deferred } from '../../internal/deferred.ts';
import { RecordingConsumer } from '../../internal/testing/recording-consumer.ts';
import { testSettings } from '../../internal/testing/settings.ts';
import { batchFromFolded } from '../../pdata/folded.ts';
import { otlpReceiverSchema } from './config.ts';
import { listenOtlpHttp } from './http-server.ts';
import { type Decoded, Intake } from './intake.ts';

const FOLDED = 'main;idle 1\nmain;work 2';
const batch = batchFromFolded(FOLDED);
const PROTOBUF = 'application/x-protobuf';
const body = Buffer.from(encodeOtlp(batch, { revision: '1.10' }));

/** An HTTP side on a free port; `intake` decides what it may hold. */
async function serve(t: TestContext, http: object = {}, maxInFlightBytes = 1024 * 1024) {
  const settings = testSettings('otlp');
  const next = new RecordingConsumer();
  const intake = new Intake(settings, next, maxInFlightBytes);
  const { protocols } = otlpReceiverSchema.parse({
    protocols: { http: { endpoint: 'localhost:0', ...http } },
  });
  assert.ok(protocols.http);
  const server = await listenOtlpHttp(protocols.http, intake, {
    onConnectionEnd: (reason) => assert.fail(reason),
    onError: (error) => assert.fail(String(error)),
    logger: settings.logger,
  });
  t.after(() => server.close(AbortSignal.abort()));
  const origin = `http://localhost:${server.endpoint.port}`;
  const refused = (reason: string): number =>
    settings.meter.value('receiver_refused_requests', { transport: 'http', reason });
  const inFlight = (): number => settings.meter.value('receiver_otlp_in_flight_bytes');
  return { next, intake, refused, inFlight, origin, url: `${origin}/v1development/profiles` };
}

const post = (url: string, bytes: Uint8Array, headers: Record<string, string> = {}): Promise<Response> =>
  fetch(url, { method: 'POST', body: bytes, headers: { 'content-type': PROTOBUF, ...headers } });

/** Sends the head of a request and the first bytes of its body, and keeps it open. */
async function slowly(
  url: string,
  headers: Record<string, string | number>,
  first: Buffer,
): Promise<ClientRequest> {
  const sent = openRequest(url, { method: 'POST', headers: { 'content-type': PROTOBUF, ...headers } });
  await new Promise<void>((resolve) => sent.write(first, () => resolve()));
  return sent;
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setImmediate(resolve));
}

const NAMES: readonly CompressionName[] = [
  'gzip',
  'zlib',
  'deflate',
  'zstd',
  'snappy',
  'x-snappy-framed',
  'lz4',
];

describe('bodies of OTLP over HTTP', () => {
  it('are taken in every encoding of this installation', async (t) => {
    const { next, url } = await serve(t);
    for (const name of NAMES.filter(isSupported)) {
      next.batches.length = 0;
      const reply = await post(url, await compress(name, body), { 'content-encoding': name });
      assert.equal(reply.status, 200, name);
      assert.equal(next.folded, FOLDED, name);
    }
    const bare = await post(url, deflateRawSync(body), { 'content-encoding': 'deflate' });
    assert.equal(bare.status, 200, 'deflate without zlib header');
    assert.equal((await post(url, body, { 'content-encoding': 'identity' })).status, 200);
  });

  it('are refused with 413 when they become too large, whatever their encoding', async (t) => {
    const { refused, url } = await serve(t, { max_request_body_size: 100_000 });
    const names = NAMES.filter(isSupported);
    for (const name of names) {
      const bomb = await compress(name, Buffer.alloc(2_000_000));
      assert.ok(bomb.length < 100_000, name);
      const reply = await post(url, bomb, { 'content-encoding': name });
      assert.equal(reply.status, 413, name);
      assert.match(await reply.text(), /becomes larger than 100000 bytes; raise "max_request_body_size"/);
    }
    assert.equal(refused('too_large'), names.length);
  });

  it('that are cut short or no such encoding are refused with 400', async (t) => {
    const { refused, url } = await serve(t);
    const names = NAMES.filter(isSupported);
    for (const name of names) {
      const cut = (await compress(name, body)).subarray(0, -3);
      assert.equal((await post(url, cut, { 'content-encoding': name })).status, 400, name);
    }
    assert.equal(refused('malformed'), names.length);
  });

  it('are refused in an encoding that the configuration leaves out', async (t) => {
    const { url } = await serve(t, { compression_algorithms: ['', 'zlib'] });
    const reply = await post(url, gzipSync(body), { 'content-encoding': 'gzip' });
    assert.equal(reply.status, 415);
    assert.match(
      await reply.text(),
      /content encoding "gzip" is not supported; use one of \[identity zlib\]/,
    );
  });
});

describe('memory of bodies that come in slowly', () => {
  it('is held from its announcement on: beyond the limit others get 429 and come again', async (t) => {
    const { next, inFlight, refused, url } = await serve(t, {}, 10_000);
    const slow = await slowly(url, { 'content-length': 10_000 - body.length + 1 }, Buffer.alloc(1));
    await until(() => inFlight() > 0);
    const reply = await post(url, body);
    assert.equal(reply.status, 429);
    assert.equal(reply.headers.get('retry-after'), '1');
    assert.equal(refused('busy'), 1);
    slow.once('error', () => undefined).destroy();
    await until(() => inFlight() === 0);
    assert.equal((await post(url, body)).status, 200);
    assert.equal(refused('incomplete'), 1);
    assert.equal(next.batches.length, 1);
  });

  it('is held as it grows where no length is announced', async (t) => {
    const { inFlight, refused, url } = await serve(t, {}, 200_000);
    const first = await slowly(url, {}, Buffer.alloc(70_000));
    await until(() => inFlight() === 131_072);
    const second = await slowly(url, {}, Buffer.alloc(100));
    await until(() => inFlight() === 131_072 + 65_536);
    const answered = once(second, 'response');
    second.write(Buffer.alloc(70_000));
    const [response] = (await answered) as [{ statusCode: number }];
    assert.equal(response.statusCode, 429);
    assert.equal(inFlight(), 131_072);
    assert.equal(refused('busy'), 1);
    for (const sent of [first, second]) sent.once('error', () => undefined).destroy();
  });

  it('is given back whatever becomes of the request', async (t) => {
    const { next, inFlight, url } = await serve(t, { max_request_body_size: 5_000 });
    next.failWith(new Error('no'));
    const encoded = { 'content-encoding': 'gzip' };
    const bombed = post(url, gzipSync(Buffer.alloc(100_000)), encoded);
    const replies = await Promise.all([post(url, body), post(url, Buffer.alloc(9), encoded), bombed]);
    assert.deepEqual(
      replies.map((reply) => reply.status),
      [503, 400, 413],
    );
    assert.equal(inFlight(), 0);
  });

  it('counts what decompression makes', async (t) => {
    const { next, inFlight, url } = await serve(t);
    const gate = deferred();
    next.answerWith(() => gate.promise);
    const reply = post(url, gzipSync(body), { 'content-encoding': 'gzip' });
    await until(() => next.offered.length > 0);
    assert.equal(inFlight(), body.length);
    gate.resolve();
    await reply;
  });
});

describe('answers of OTLP over HTTP', () => {
  it('tell in the type of the request what was not taken', async (t) => {
    const { intake, url } = await serve(t);
    const rejected = { profiles: 3, message: 'too old' };
    const accept = intake.accept.bind(intake);
    t.mock.method(intake, 'accept', (...[transport, bytes, decode, signal]: Parameters<Intake['accept']>) =>
      accept(transport, bytes, (): Decoded => ({ ...decode(), rejected }), signal),
    );
    const { root } = protobuf.parse(`syntax = "proto3";
      message Partial { int64 rejected_profiles = 1; string error_message = 2; }
      message Response { Partial partial_success = 1; }`);
    const answer = Buffer.from(await (await post(url, body)).arrayBuffer());
    const type = root.lookupType('Response');
    assert.deepEqual(type.toObject(type.decode(answer), { longs: Number }), {
      partialSuccess: { rejectedProfiles: 3, errorMessage: 'too old' },
    });
    const json = await post(url, Buffer.from('{}'), { 'content-type': 'application/json' });
    assert.deepEqual(await json.json(), {
      partialSuccess: { rejectedProfiles: '3', errorMessage: 'too old' },
    });
  });

  it('come from the path that is configured', async (t) => {
    const { origin, url } = await serve(t, { profiles_url_path: 'in/profiles' });
    assert.equal((await post(`${origin}/in/profiles?team=a`, body)).status, 200);
    assert.equal((await post(url, body)).status, 404);
  });

  it('may be read by pages of the origins that are configured', async (t) => {
    const { next, url } = await serve(t, {
      cors: { allowed_origins: ['http://*.example.com'], allowed_headers: ['content-type'], max_age: 60 },
    });
    const origin = { origin: 'http://shop.example.com' };
    const asked = await fetch(url, {
      method: 'OPTIONS',
      headers: {
        ...origin,
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'content-type',
      },
    });
    assert.equal(asked.status, 204);
    assert.equal(asked.headers.get('access-control-allow-origin'), origin.origin);
    assert.equal(asked.headers.get('access-control-max-age'), '60');
    assert.equal(next.offered.length, 0);
    const reply = await post(url, body, origin);
    assert.equal(reply.headers.get('access-control-allow-origin'), origin.origin);
    const refused = await post(url, Buffer.alloc(3, 0xff), origin);
    assert.equal(refused.status, 400);
    assert.equal(refused.headers.get('access-control-allow-origin'), origin.origin);
    const other = await post(url, body, { origin: 'http://evil.test' });
    assert.equal(other.headers.get('access-control-allow-origin'), null);
  });

  it('to a preflight are 405 where no origin is allowed', async (t) => {
    const { url } = await serve(t);
    const headers = { origin: 'http://a.test', 'access-control-request-method': 'POST' };
    const reply = await fetch(url, { method: 'OPTIONS', headers });
    assert.equal(reply.status, 405);
    assert.equal(reply.headers.get('access-control-allow-origin'), null);
  });
});
