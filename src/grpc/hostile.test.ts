// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { once } from 'node:events';
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  constants,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
} from 'node:http2';
import { connect as connectTcp, type Socket } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { gzipSync } from 'node:zlib';
import { deferred } from '../internal/deferred.ts';
import { makeCertificates } from '../internal/testing/certificates.ts';
import { FakeClock } from '../internal/testing/fake-clock.ts';
import { never } from '../internal/testing/settings.ts';
import type { UnaryHandler } from './server-call.ts';
import { ECHO, type TestServer, testServer, until } from './testing/test-server.ts';

const echo = (bytes: Uint8Array): Promise<Uint8Array> => Promise.resolve(bytes);

async function session(t: TestContext, { port }: TestServer): Promise<ClientHttp2Session> {
  const client = connect(`http://127.0.0.1:${port}`);
  client.on('error', () => undefined);
  t.after(() => client.destroy());
  await once(client, 'remoteSettings');
  return client;
}

function open(client: ClientHttp2Session, headers: OutgoingHttpHeaders = {}): ClientHttp2Stream {
  const stream = client.request({
    ':method': 'POST',
    ':path': ECHO,
    'content-type': 'application/grpc',
    te: 'trailers',
    ...headers,
  });
  stream.on('error', () => undefined);
  return stream;
}

interface Reply {
  readonly http: number;
  readonly headers: IncomingHttpHeaders;
  readonly status: string | undefined;
  readonly message: string | undefined;
}

/** Sends the chunks, ends its side unless told not to, and waits for the end of the other side. */
async function send(
  client: ClientHttp2Session,
  chunks: readonly Buffer[],
  { headers = {}, half = true }: { headers?: OutgoingHttpHeaders; half?: boolean } = {},
): Promise<Reply> {
  const stream = open(client, headers);
  let response: IncomingHttpHeaders = {};
  let trailers: IncomingHttpHeaders = {};
  stream.once('response', (got) => (response = got));
  stream.once('trailers', (got) => (trailers = got));
  stream.resume();
  for (const chunk of chunks) stream.write(chunk);
  if (half) stream.end();
  await closing(stream);
  const all = { ...response, ...trailers };
  return {
    http: Number(all[':status']),
    headers: all,
    status: all['grpc-status'] as string | undefined,
    message: all['grpc-message'] as string | undefined,
  };
}

/** Waits for the end, however it comes: `once` would reject where an error comes first. */
function closing(emitter: ClientHttp2Stream | ClientHttp2Session): Promise<void> {
  return new Promise((resolve) => void emitter.once('close', () => resolve()));
}

function frame(length: number, body: Buffer, flag = 0): Buffer {
  const prefix = Buffer.alloc(5);
  prefix[0] = flag;
  prefix.writeUInt32BE(length, 1);
  return Buffer.concat([prefix, body]);
}

const GOOD = frame(2, Buffer.from('ok'));

/** The server is as it was: it answers, and holds nothing. */
async function stillWell(t: TestContext, server: TestServer): Promise<void> {
  assert.equal((await send(await session(t, server), [GOOD])).status, '0');
  await until(() => server.held.now === 0);
  assert.deepEqual(server.errors, []);
}

describe('a gRPC server and requests that are none', () => {
  it('answers them with the status that says what is wrong, and counts each', async (t) => {
    const server = await testServer(t, echo, { maxMessageBytes: 1000 });
    const client = await session(t, server);
    const cases: readonly (readonly [Buffer[], OutgoingHttpHeaders, string, RegExp, string])[] = [
      [[], {}, '12', /one message, not none/, 'malformed'],
      [[GOOD.subarray(0, 3)], {}, '13', /ended after 0 of \d+ bytes/, 'incomplete'],
      [[frame(10, Buffer.from('abc'))], {}, '13', /ended after 3 of 10 bytes/, 'incomplete'],
      [[frame(2, Buffer.from('abc'))], {}, '12', /one message, not several/, 'malformed'],
      [[GOOD, GOOD], {}, '12', /one message, not several/, 'malformed'],
      [[frame(2 ** 31, Buffer.from('a'))], {}, '8', /larger than max \(2147483648 vs. 1000\)/, 'too_large'],
      [[frame(2 ** 32 - 1, Buffer.alloc(0))], {}, '8', /larger than max/, 'too_large'],
      [[frame(1, Buffer.from('a'), 7)], {}, '13', /message flag 7 is neither/, 'malformed'],
      [[frame(1, Buffer.from('a'), 1)], {}, '13', /grpc-encoding names no compression/, 'malformed'],
      [
        [frame(1, Buffer.from('a'), 1)],
        { 'grpc-encoding': 'gzip' },
        '13',
        /cannot be decompressed/,
        'malformed',
      ],
      [
        [frame(0, Buffer.alloc(0), 1)],
        { 'grpc-encoding': 'gzip' },
        '13',
        /cannot be decompressed/,
        'malformed',
      ],
      [[GOOD], { 'grpc-encoding': 'br' }, '12', /"br" is not supported/, 'unsupported'],
      [[GOOD], { 'grpc-encoding': 'toString' }, '12', /is not supported/, 'unsupported'],
      [[GOOD], { 'grpc-timeout': '5' }, '13', /malformed grpc-timeout: "5"/, 'malformed'],
      [[GOOD], { 'grpc-timeout': '123456789S' }, '13', /malformed grpc-timeout/, 'malformed'],
      [[GOOD], { ':path': '/' }, '12', /unknown method \//, 'unsupported'],
    ];
    for (const [chunks, headers, status, message, reason] of cases) {
      server.refused.length = 0;
      const reply = await send(client, chunks, { headers });
      assert.deepEqual([reply.http, reply.status], [200, status], String(message));
      assert.match(decodeURIComponent(reply.message ?? ''), message);
      assert.match(String(reply.headers['grpc-accept-encoding']), /^identity,gzip,deflate/);
      assert.deepEqual(server.refused, [reason], String(message));
    }
    await stillWell(t, server);
  });

  it('takes a message in pieces of one byte, of any accepted type, without te', async (t) => {
    const server = await testServer(t, echo);
    const client = await session(t, server);
    const pieces = [...GOOD].map((byte) => Buffer.from([byte]));
    for (const type of ['application/grpc', 'application/grpc+proto', 'application/grpc;charset=x']) {
      const reply = await send(client, pieces, { headers: { 'content-type': type, te: undefined } });
      assert.equal(reply.status, '0');
    }
    const zipped = gzipSync('hello');
    const packed = await send(client, [frame(zipped.length, zipped, 1)], {
      headers: { 'grpc-encoding': 'gzip' },
    });
    assert.equal(packed.status, '0');
    // Not compressed, though it could be.
    assert.equal((await send(client, [GOOD], { headers: { 'grpc-encoding': 'gzip' } })).status, '0');
  });

  it('answers other methods and types in HTTP', async (t) => {
    const server = await testServer(t, echo);
    const client = await session(t, server);
    const get = await send(client, [], { headers: { ':method': 'GET' } });
    assert.deepEqual([get.http, get.headers['allow'], get.status], [405, 'POST', undefined]);
    for (const type of ['application/json', 'application/grpc-web', 'application/grpc+json', '']) {
      assert.equal((await send(client, [GOOD], { headers: { 'content-type': type } })).http, 415, type);
    }
    assert.deepEqual(server.refused, Array(5).fill('unsupported'));
    await stillWell(t, server);
  });

  it('answers at once what is refused by its head, and stops the sender', async (t) => {
    const server = await testServer(t, echo, { maxMessageBytes: 1000 });
    const client = await session(t, server);
    const reply = await send(client, [frame(5_000_000, Buffer.alloc(300_000))], { half: false });
    assert.equal(reply.status, '8');
    await stillWell(t, server);
  });

  it('gives no memory for bytes that are announced and do not come', async (t) => {
    const server = await testServer(t, echo);
    const client = await session(t, server);
    const streams = Array.from({ length: 50 }, () => open(client));
    for (const stream of streams) stream.write(frame(4 * 1024 * 1024, Buffer.from('a')));
    await until(() => server.held.now === 50 * 64 * 1024);
    // Pieces that go beyond make it grow, never beyond 32 times what came.
    for (const stream of streams) stream.write(Buffer.alloc(70_000));
    await until(() => server.held.now === 50 * 2 * 1024 * 1024);
    client.destroy();
    await until(() => server.refused.length === 50);
    assert.deepEqual(new Set(server.refused), new Set(['incomplete']));
    await stillWell(t, server);
  });

  it('gives up bodies that come too slowly', async (t) => {
    const clock = new FakeClock();
    const server = await testServer(t, echo, { clock });
    const client = await session(t, server);
    const reply = send(client, [frame(1000, Buffer.from('a'))], { half: false });
    await until(() => server.held.now === 1000);
    await clock.advance(29_000);
    assert.deepEqual(server.refused, []);
    await clock.advance(7_000);
    assert.deepEqual([(await reply).status, (await reply).message], ['4', 'message came too slowly']);
    assert.deepEqual(server.refused, ['incomplete']);
    await until(() => server.held.now === 0);
  });

  it('stops a bomb before it has its size', async (t) => {
    const server = await testServer(t, echo, { maxMessageBytes: 1_000_000 });
    const bomb = gzipSync(Buffer.alloc(200_000_000));
    const reply = await send(await session(t, server), [frame(bomb.length, bomb, 1)], {
      headers: { 'grpc-encoding': 'gzip' },
    });
    assert.equal(reply.status, '8');
    assert.ok(server.held.most <= bomb.length, String(server.held.most));
    assert.deepEqual(server.refused, ['too_large']);
    await stillWell(t, server);
  });
});

/** A socket that speaks HTTP/2 by hand, past its opening. */
async function byHand(t: TestContext, { port }: TestServer, allowHalfOpen = false): Promise<Socket> {
  const socket = connectTcp({ port, host: '127.0.0.1', allowHalfOpen });
  socket.on('error', () => undefined);
  t.after(() => socket.destroy());
  await once(socket, 'connect');
  socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
  socket.write(rawFrame(4, 0, 0, Buffer.alloc(0)));
  await once(socket, 'data');
  return socket;
}

function rawFrame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

describe('a gRPC server and connections that do harm', () => {
  it('closes a connection that opens and resets streams by the thousand', async (t) => {
    let calls = 0;
    const server = await testServer(t, async (bytes) => {
      calls++;
      return bytes;
    });
    const client = await session(t, server);
    const closed = closing(client);
    for (let i = 0; i < 10_000 && !client.destroyed; i++) {
      if (i % 200 === 0) await new Promise((resolve) => setImmediate(resolve));
      if (client.closed || client.destroyed) break;
      const stream = open(client);
      stream.write(GOOD.subarray(0, 6));
      stream.close(constants.NGHTTP2_CANCEL);
    }
    await closed;
    assert.equal(calls, 0);
    assert.ok(server.refused.length < 3_000, String(server.refused.length));
    assert.deepEqual(new Set(server.refused), new Set(['incomplete']));
    await stillWell(t, server);
  });

  it('closes a connection that pings too often, and says so', async (t) => {
    const server = await testServer(t, echo);
    const client = await session(t, server);
    const goaway = once(client, 'goaway');
    for (let i = 0; i < 4; i++) client.ping(() => undefined);
    const [code, , data] = (await goaway) as [number, number, Buffer];
    assert.deepEqual([code, data.toString()], [constants.NGHTTP2_ENHANCE_YOUR_CALM, 'too_many_pings']);
    assert.deepEqual(server.ends, ['too_many_pings']);
    await stillWell(t, server);
  });

  it('lets a client ping as often as the policy says', async (t) => {
    const clock = new FakeClock();
    const times = { minPingIntervalMs: 10_000, permitPingsWithoutCalls: true };
    const server = await testServer(t, echo, { clock, times });
    const client = await session(t, server);
    const ping = (): Promise<unknown> => new Promise((resolve) => client.ping(resolve));
    for (let i = 0; i < 10; i++) {
      await ping();
      await clock.advance(10_000);
    }
    assert.deepEqual(server.ends, []);
  });

  it('survives a flood of pings', async (t) => {
    const server = await testServer(t, echo);
    const socket = await byHand(t, server);
    const flood = Buffer.concat(Array.from({ length: 20_000 }, () => rawFrame(6, 0, 0, Buffer.alloc(8))));
    socket.write(flood);
    socket.resume();
    await once(socket, 'close');
    assert.deepEqual(server.ends.slice(0, 1), ['too_many_pings']);
    await stillWell(t, server);
  });

  it('closes a connection whose headers never end', async (t) => {
    const server = await testServer(t, echo);
    const socket = await byHand(t, server);
    socket.resume();
    socket.write(rawFrame(1, 0, 1, Buffer.from([0x82])));
    // A literal header without indexing: 0x00, name "a", a value of 100 bytes.
    const literal = Buffer.concat([Buffer.from([0, 1, 0x61, 100]), Buffer.alloc(100, 0x62)]);
    const more = rawFrame(9, 0, 1, Buffer.concat(Array(100).fill(literal)));
    for (let i = 0; i < 50 && socket.writable; i++) socket.write(more);
    await once(socket, 'close');
    await stillWell(t, server);
  });

  it('refuses calls with more headers than fit', async (t) => {
    const server = await testServer(t, echo);
    const client = await session(t, server);
    const many = Object.fromEntries(Array.from({ length: 60 }, (_, i) => [`x-${i}`, 'v'.repeat(400)]));
    const reply = await send(client, [GOOD], { headers: many });
    assert.notEqual(reply.status, '0');
    await stillWell(t, server);
  });

  it('closes a connection that does not introduce itself', async (t) => {
    const clock = new FakeClock();
    const server = await testServer(t, echo, { clock });
    const socket = connectTcp(server.port, '127.0.0.1');
    t.after(() => socket.destroy());
    await once(socket, 'data');
    await clock.advance(20_000);
    assert.deepEqual(server.ends, ['no_handshake']);
    socket.resume();
    await once(socket, 'close');
    await stillWell(t, server);
  });

  it('closes a connection that speaks something else', async (t) => {
    const server = await testServer(t, echo);
    const socket = connectTcp(server.port, '127.0.0.1');
    t.after(() => socket.destroy());
    socket.end('GET / HTTP/1.1\r\nhost: x\r\n\r\n');
    socket.resume();
    await once(socket, 'close');
    await stillWell(t, server);
  });

  it('closes a connection whose client does not answer', async (t) => {
    const clock = new FakeClock();
    const server = await testServer(t, echo, {
      clock,
      times: { keepaliveTimeMs: 10_000, keepaliveTimeoutMs: 7_000 },
    });
    await byHand(t, server);
    await clock.advance(20_000);
    await clock.advance(7_000);
    assert.deepEqual(server.ends, ['keepalive_timeout']);
    await stillWell(t, server);
  });

  it('does not wait for a client that never hangs up', async (t) => {
    const clock = new FakeClock();
    const server = await testServer(t, echo, { clock, times: { maxIdleMs: 1_000 } });
    const socket = await byHand(t, server, true);
    socket.resume();
    await until(() => clock.pending.includes(1_000));
    const goodbye = once(socket, 'end');
    await clock.advance(1_000);
    await goodbye;
    assert.deepEqual(server.ends, ['idle']);
    assert.ok(clock.pending.includes(5_000));
    const closed = server.close(never());
    await clock.advance(5_000);
    await closed;
    assert.equal(socket.closed, false);
  });

  it('counts a connection that breaks the rules of HTTP/2', async (t) => {
    const server = await testServer(t, echo);
    const socket = await byHand(t, server);
    socket.resume();
    // WINDOW_UPDATE by nothing.
    socket.write(rawFrame(8, 0, 0, Buffer.alloc(4)));
    await once(socket, 'close');
    assert.deepEqual(server.ends, ['protocol_error']);
    await stillWell(t, server);
  });

  it('takes no more connections than it may while those it has are busy', async (t) => {
    const called = deferred();
    const mayAnswer = deferred();
    const slow: UnaryHandler = async (request) => {
      called.resolve();
      await mayAnswer.promise;
      return request;
    };
    const server = await testServer(t, slow, { maxConnections: 1 });
    const answer = send(await session(t, server), [GOOD]);
    await called.promise;
    const socket = connectTcp(server.port, '127.0.0.1');
    t.after(() => socket.destroy());
    socket.on('error', () => undefined).resume();
    await once(socket, 'close');
    assert.deepEqual(server.ends, ['too_many_connections']);
    mayAnswer.resolve();
    assert.equal((await answer).status, '0');
  });

  it('closes the connection that has been idle longest where another comes', async (t) => {
    const server = await testServer(t, echo, { maxConnections: 2 });
    const first = await session(t, server);
    assert.equal((await send(first, [GOOD])).status, '0');
    const second = await session(t, server);
    assert.equal((await send(second, [GOOD])).status, '0');
    const gone = once(first, 'close');
    const third = await session(t, server);
    assert.equal((await send(third, [GOOD])).status, '0');
    await gone;
    assert.deepEqual(server.ends, ['made_room']);
    assert.equal((await send(second, [GOOD])).status, '0');
  });

  it('closes TLS connections that do not offer HTTP/2', async (t) => {
    const { ca, server: pair } = makeCertificates();
    const server = await testServer(t, echo, { tls: pair });
    const old = connectTls({ port: server.port, host: '127.0.0.1', ca, ALPNProtocols: ['http/1.1'] });
    await assert.rejects(once(old, 'secureConnect'), /no application protocol/);
    const silent = connectTls({ port: server.port, host: '127.0.0.1', ca });
    t.after(() => silent.destroy());
    await once(silent, 'secureConnect');
    silent.resume();
    await once(silent, 'close');
    const client = connect(`https://localhost:${server.port}`, { ca });
    t.after(() => client.destroy());
    assert.equal((await send(client, [GOOD])).status, '0');
  });

  it('takes no more streams at one time than it says', async (t) => {
    const server = await testServer(t, echo, { maxConcurrentStreams: 5 });
    const client = await session(t, server);
    assert.equal(client.remoteSettings.maxConcurrentStreams, 5);
    const socket = await byHand(t, server);
    let seen = Buffer.alloc(0);
    socket.on('data', (chunk: Buffer) => (seen = Buffer.concat([seen, chunk])));
    // :method POST, :scheme http, :path /, indexed.
    for (let i = 0; i < 10; i++) socket.write(rawFrame(1, 4, 2 * i + 1, Buffer.from([0x83, 0x86, 0x84])));
    await until(() => seen.includes(rawFrame(3, 0, 19, Buffer.from([0, 0, 0, 7]))) || socket.destroyed);
    await stillWell(t, server);
  });
});
