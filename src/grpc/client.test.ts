// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import {
  constants,
  createServer,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import {
  type AddressInfo,
  connect as connectTcp,
  createServer as createTcpServer,
  type Socket,
} from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { mkdtempSync, rmSync } from 'node:fs';
import { describe, it, type TestContext } from 'node:test';
import { promisify } from 'node:util';
import {
  Metadata,
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type sendUnaryData,
  status,
} from '@grpc/grpc-js';
import { systemClock } from '../internal/clock.ts';
import { deferred } from '../internal/deferred.ts';
import { makeCertificates } from '../internal/testing/certificates.ts';
import { FakeClock } from '../internal/testing/fake-clock.ts';
import { never } from '../internal/testing/settings.ts';
import { type GrpcClient, type GrpcClientOptions, openGrpcClient } from './client.ts';
import type { Address } from './dial.ts';
import { messagePrefix } from './message.ts';
import { encodeStatus } from './status-details.ts';
import { SilentRelay } from './testing/silent-relay.ts';
import { ECHO, testServer, until } from './testing/test-server.ts';

type Handler = (call: ServerUnaryCall<Buffer, Buffer>, reply: sendUnaryData<Buffer>) => void;

const asIs = (bytes: Buffer): Buffer => bytes;
const echoing: Handler = (call, reply) => reply(null, call.request);

/** A grpc-js server; gives its port. */
async function grpcJsServer(
  t: TestContext,
  handler: Handler = echoing,
  credentials = ServerCredentials.createInsecure(),
  address = '127.0.0.1:0',
): Promise<number> {
  const server = new Server({ 'grpc.max_receive_message_length': -1 });
  const method = {
    path: ECHO,
    requestStream: false,
    responseStream: false,
    requestSerialize: asIs,
    requestDeserialize: asIs,
    responseSerialize: asIs,
    responseDeserialize: asIs,
  };
  server.addService({ echo: method }, { echo: handler });
  t.after(() => server.forceShutdown());
  return promisify(server.bindAsync.bind(server))(address, credentials);
}

/** A client that waits for its connection, so that no test depends on which comes first. */
function client(t: TestContext, port: number, options: Partial<GrpcClientOptions> = {}): GrpcClient {
  const opened = openGrpcClient({
    target: { kind: 'tcp', at: { host: '127.0.0.1', port } },
    tls: undefined,
    serverName: undefined,
    authority: `127.0.0.1:${port}`,
    headers: { 'user-agent': 'test' },
    encoding: 'identity',
    balancing: 'pick_first',
    keepalive: { timeMs: 0, timeoutMs: 10_000, permitWithoutCalls: false },
    backoff: { initialMs: 1, maxMs: 5 },
    waitForReady: false,
    maxReceiveBytes: 4 * 1024 * 1024,
    onReady: () => undefined,
    clock: systemClock,
    ...options,
  });
  t.after(() => opened.close());
  return opened;
}

const call = (c: GrpcClient, body: Uint8Array, timeoutMs = 0, signal = never()): Promise<Uint8Array> =>
  c.call(ECHO, [body], timeoutMs, signal);

interface RawServer {
  readonly port: number;
  readonly sockets: Socket[];
  readonly sessions: ServerHttp2Session[];
}

/** An HTTP/2 server that answers streams as `answer` says. */
async function rawServer(
  t: TestContext,
  answer: (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, index: number) => void,
): Promise<RawServer> {
  const server = createServer();
  const sessions: ServerHttp2Session[] = [];
  const sockets: Socket[] = [];
  server.on('connection', (socket: Socket) => sockets.push(socket));
  let index = 0;
  server.on('session', (session) => {
    sessions.push(session);
    session.on('error', () => undefined);
    session.on('stream', (stream, headers) => {
      stream.on('error', () => undefined);
      stream.resume();
      answer(stream, headers, index++);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.close();
    for (const session of sessions) session.destroy();
  });
  return { port: (server.address() as AddressInfo).port, sessions, sockets };
}

function answerWell(stream: ServerHttp2Stream, text = ''): void {
  stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
  stream.end(Buffer.concat([messagePrefix(text.length, false), Buffer.from(text)]));
}

describe('a gRPC client and the grpc-js server', () => {
  it('carries messages of every size both ways, 200 at a time', async (t) => {
    const c = client(t, await grpcJsServer(t));
    for (const size of [0, 1, 16_384, 65_536, 3_000_000]) {
      const body = randomBytes(size);
      assert.ok(body.equals(await call(c, body)), `${size} bytes`);
    }
    const bodies = Array.from({ length: 200 }, (_, i) => randomBytes(i * 100));
    const replies = await Promise.all(bodies.map((body) => call(c, body)));
    assert.ok(replies.every((reply, i) => bodies[i]?.equals(reply)));
  });

  it('compresses, and takes compressed answers', async (t) => {
    const body = Buffer.from('work;'.repeat(10_000));
    const port = await grpcJsServer(t);
    for (const encoding of ['gzip', 'deflate'] as const) {
      assert.ok(body.equals(await call(client(t, port, { encoding }), body)));
    }
  });

  it('sends headers and the deadline', async (t) => {
    const seen = deferred<Metadata>();
    const port = await grpcJsServer(t, (asked, reply) => {
      seen.resolve(asked.metadata);
      assert.notEqual(asked.getDeadline(), Number.POSITIVE_INFINITY);
      reply(null, asked.request);
    });
    const headers = { 'user-agent': 'me/1', 'x-scope-orgid': 'team', 'x-key-bin': 'AQI' };
    await call(client(t, port, { headers }), Buffer.from('a'), 60_000);
    const metadata = await seen.promise;
    assert.deepEqual(metadata.get('x-scope-orgid'), ['team']);
    assert.deepEqual(metadata.get('x-key-bin'), [Buffer.from([1, 2])]);
    assert.match(String(metadata.get('user-agent')), /^me\/1/);
  });

  it('tells the status, its text and when to come again', async (t) => {
    const metadata = new Metadata();
    const wait = encodeStatus({ code: status.RESOURCE_EXHAUSTED, message: 'später', retryAfterMs: 1_500 });
    metadata.set('grpc-status-details-bin', Buffer.from(wait));
    const port = await grpcJsServer(t, (_, reply) =>
      reply({ code: status.RESOURCE_EXHAUSTED, details: 'später: 100 %', metadata }),
    );
    await assert.rejects(call(client(t, port), Buffer.from('a')), {
      name: 'GrpcError',
      code: status.RESOURCE_EXHAUSTED,
      message: 'später: 100 %',
      retryAfterMs: 1_500,
    });
  });

  it('cancels at the server when the caller gives up', async (t) => {
    const [started, cancelled] = [deferred(), deferred()];
    const port = await grpcJsServer(t, (asked) => {
      asked.once('cancelled', () => cancelled.resolve());
      started.resolve();
    });
    const gone = new AbortController();
    const reason = new Error('no time left');
    const running = assert.rejects(call(client(t, port), Buffer.from('a'), 0, gone.signal), reason);
    await started.promise;
    gone.abort(reason);
    await Promise.all([running, cancelled.promise]);
    await assert.rejects(call(client(t, port), Buffer.from('a'), 0, gone.signal), reason);
  });

  it('refuses answers that are too large', async (t) => {
    const port = await grpcJsServer(t, (_, reply) => reply(null, Buffer.alloc(1001)));
    await assert.rejects(call(client(t, port, { maxReceiveBytes: 1000 }), Buffer.from('a')), {
      code: status.RESOURCE_EXHAUSTED,
    });
  });

  it('verifies a server by the name that was asked for', async (t) => {
    const { ca, server } = makeCertificates();
    const pair = { private_key: Buffer.from(server.key), cert_chain: Buffer.from(server.cert) };
    const port = await grpcJsServer(t, echoing, ServerCredentials.createSsl(null, [pair]));
    const reply = await call(client(t, port, { tls: async () => ({ ca }) }), Buffer.from('a'));
    assert.equal(Buffer.from(reply).toString(), 'a');
    await call(client(t, port, { tls: async () => ({ ca }), serverName: 'localhost' }), Buffer.from('a'));
    await call(
      client(t, port, { tls: async () => ({ rejectUnauthorized: false }), serverName: 'other' }),
      Buffer.from('a'),
    );
    await assert.rejects(
      call(client(t, port, { tls: async () => ({ ca }), serverName: 'other' }), Buffer.from('a')),
      {
        code: status.UNAVAILABLE,
        message: /other/,
      },
    );
    await assert.rejects(call(client(t, port, { tls: async () => ({}) }), Buffer.from('a')), {
      message: /certificate/,
    });
  });

  it('reaches a server at a path', async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'grpc-'));
    t.after(() => rmSync(folder, { recursive: true }));
    const path = join(folder, 'socket');
    await grpcJsServer(t, echoing, ServerCredentials.createInsecure(), `unix:${path}`);
    const reply = await call(client(t, 0, { target: { kind: 'unix', path } }), Buffer.from('a'));
    assert.equal(Buffer.from(reply).toString(), 'a');
  });
});

describe('connections of a gRPC client', () => {
  it('fail calls at once while there is no server, and tell why', async (t) => {
    const c = client(t, await freePort());
    await assert.rejects(call(c, Buffer.from('a')), {
      code: status.UNAVAILABLE,
      message: /^no connection established, last error: connect ECONNREFUSED/,
    });
  });

  it('let calls wait for a server when asked to, and are made again', async (t) => {
    let ready = 0;
    const port = await freePort();
    const c = client(t, port, { waitForReady: true, onReady: () => ready++ });
    const waiting = call(c, Buffer.from('a'));
    const first = await testServer(t, async (bytes) => bytes, { endpoint: `127.0.0.1:${port}` });
    await waiting;
    await first.close(AbortSignal.abort());
    const second = call(c, Buffer.from('b'));
    await testServer(t, async (bytes) => bytes, { endpoint: `127.0.0.1:${port}` });
    assert.equal(Buffer.from(await second).toString(), 'b');
    assert.equal(ready, 2);
  });

  it('are given up by the signal while a call waits for one', async (t) => {
    const gone = new AbortController();
    const c = client(t, await freePort(), { waitForReady: true });
    const waiting = assert.rejects(call(c, Buffer.from('a'), 0, gone.signal), /enough/);
    gone.abort(new Error('enough'));
    await waiting;
  });

  it('finish what runs when the server says goodbye, and new calls go over another', async (t) => {
    const open: ServerHttp2Stream[] = [];
    const server = await rawServer(t, (stream, _, index) => {
      if (index === 0) open.push(stream);
      else answerWell(stream);
    });
    const c = client(t, server.port);
    const first = call(c, Buffer.from('a'));
    await until(() => open.length === 1);
    server.sessions[0]?.close();
    await call(c, Buffer.from('b'));
    assert.equal(server.sessions.length, 2);
    answerWell(open[0] as ServerHttp2Stream, 'late');
    assert.equal(Buffer.from(await first).toString(), 'late');
  });

  it('offer a call again that the server refused to take, and no other', async (t) => {
    const refusing = await rawServer(t, (stream, _, index) => {
      if (index < 2) stream.close(constants.NGHTTP2_REFUSED_STREAM);
      else answerWell(stream);
    });
    await call(client(t, refusing.port), Buffer.from('a'));
    let asked = 0;
    const failing = await rawServer(t, (stream) => {
      asked++;
      stream.close(constants.NGHTTP2_INTERNAL_ERROR);
    });
    await assert.rejects(call(client(t, failing.port), Buffer.from('a')), { code: status.INTERNAL });
    assert.equal(asked, 1);
  });

  it('count a call as lost when they break under it', async (t) => {
    const server = await rawServer(t, (_stream, _headers, index) => {
      if (index === 0) server.sockets[0]?.destroy();
    });
    await assert.rejects(call(client(t, server.port), Buffer.from('a')), {
      code: status.UNAVAILABLE,
      message: 'the connection was lost while the call was running',
    });
  });

  it('slow their pings down when the server says there are too many', async (t) => {
    const clock = new FakeClock();
    const server = await testServer(t, async (bytes) => bytes, { times: { minPingIntervalMs: 3_600_000 } });
    let waits: number[] = [];
    let ready = 0;
    const onReady = (): void => {
      ready++;
      waits = [...clock.pending];
    };
    const keepalive = { timeMs: 10_000, timeoutMs: 7_000, permitWithoutCalls: true };
    const c = client(t, server.port, { clock, keepalive, onReady });
    await call(c, Buffer.from('a'));
    assert.deepEqual(waits, [10_000]);
    while (ready < 2) {
      await clock.advance(10_000);
      await until(() => !clock.pending.includes(7_000));
    }
    assert.deepEqual(server.ends, ['too_many_pings']);
    assert.deepEqual(waits, [20_000]);
  });

  it('are given up when the server does not answer a ping', async (t) => {
    const clock = new FakeClock();
    const server = await testServer(t, () => new Promise(() => undefined));
    const relay = await SilentRelay.to(server.port, t);
    const keepalive = { timeMs: 10_000, timeoutMs: 7_000, permitWithoutCalls: false };
    const c = client(t, relay.port, { clock, keepalive });
    const lost = assert.rejects(call(c, Buffer.from('a')), { code: status.UNAVAILABLE });
    await until(() => server.held.now === 1);
    relay.isSilent = true;
    await clock.advance(10_000);
    await clock.advance(7_000);
    await lost;
  });

  it('take turns over all addresses of a name, and follow it', async (t) => {
    const counts = [0, 0, 0];
    const servers = await Promise.all(
      counts.map((_, i) =>
        testServer(t, async (bytes) => {
          counts[i] = (counts[i] ?? 0) + 1;
          return bytes;
        }),
      ),
    );
    let named = servers.slice(0, 2);
    const resolve = (): Promise<Address[]> =>
      Promise.resolve(named.map(({ port }) => ({ kind: 'tcp', at: { host: '127.0.0.1', port } })));
    const c = client(t, 0, { balancing: 'round_robin', resolve });
    while (counts[0] === 0 || counts[1] === 0) await call(c, Buffer.from('a'));
    const [a = 0, b = 0] = counts;
    for (let i = 0; i < 10; i++) await call(c, Buffer.from('a'));
    assert.deepEqual(counts, [a + 5, b + 5, 0]);
    named = servers.slice(1);
    await servers[0]?.close(AbortSignal.abort());
    while (counts[2] === 0) await call(c, Buffer.from('a'));
    assert.equal(counts[0], a + 5);
  });

  it('stay with the first address that answers', async (t) => {
    const server = await testServer(t, async (bytes) => bytes);
    const ports = [await freePort(), server.port];
    const resolve = (): Promise<Address[]> =>
      Promise.resolve(ports.map((port) => ({ kind: 'tcp', at: { host: '127.0.0.1', port } })));
    await call(client(t, 0, { resolve, waitForReady: true }), Buffer.from('a'));
  });

  it('do not fail a call while one of the addresses may still answer', async (t) => {
    const server = await testServer(t, async (bytes) => bytes);
    const dead = await freePort();
    // As "localhost", whose IPv6 address often has no server.
    const resolve = async (): Promise<Address[]> =>
      [dead, server.port].map((port) => ({ kind: 'tcp', at: { host: '127.0.0.1', port } }));
    for (const balancing of ['round_robin', 'pick_first'] as const)
      await call(client(t, 0, { resolve, balancing }), Buffer.from('a'));
    const deadOnly = async (): Promise<Address[]> => (await resolve()).slice(0, 1);
    const c = client(t, 0, { resolve: deadOnly, balancing: 'round_robin' });
    await assert.rejects(call(c, Buffer.from('a')), { message: /ECONNREFUSED/ });
  });

  it('tell when the name is unknown, and look it up again', async (t) => {
    const server = await testServer(t, async (bytes) => bytes);
    let isKnown = false;
    const resolve = async (): Promise<Address[]> => {
      if (!isKnown) throw new Error('getaddrinfo ENOTFOUND far.test');
      return [{ kind: 'tcp', at: { host: '127.0.0.1', port: server.port } }];
    };
    const c = client(t, 0, { resolve });
    await assert.rejects(call(c, Buffer.from('a')), { message: /ENOTFOUND far.test/ });
    const patient = call(client(t, 0, { resolve, waitForReady: true }), Buffer.from('a'));
    isKnown = true;
    await patient;
  });

  it('go through a proxy', async (t) => {
    const port = await grpcJsServer(t);
    const asked: unknown[] = [];
    const proxy = createHttpServer();
    proxy.on('connect', ({ url, headers }, near: Socket) => {
      asked.push(url, headers['proxy-authorization']);
      const far = connectTcp(port, '127.0.0.1', () => {
        near.write('HTTP/1.1 200 OK\r\n\r\n');
        far.pipe(near).pipe(far);
      });
      near.on('error', () => undefined).once('close', () => far.destroy());
    });
    proxy.listen(0, '127.0.0.1');
    await once(proxy, 'listening');
    t.after(() => proxy.close());
    const at = { host: '127.0.0.1', port: (proxy.address() as AddressInfo).port };
    const target = {
      kind: 'tcp',
      at: { host: 'far.test', port: 4317 },
      proxy: { at, authorization: 'Basic YTpi' },
    } as const;
    await call(client(t, 0, { target }), Buffer.from('a'));
    assert.deepEqual(asked, ['far.test:4317', 'Basic YTpi']);
  });

  it('take no calls once the client is closed', async (t) => {
    const c = client(t, await grpcJsServer(t));
    await call(c, Buffer.from('a'));
    c.close();
    await assert.rejects(call(c, Buffer.from('a')), { code: status.UNAVAILABLE });
  });
});

describe('answers that are not gRPC', () => {
  it('become the status that stands for them', async (t) => {
    const cases = [
      [{ ':status': 503, 'content-type': 'text/html' }, status.UNAVAILABLE],
      [{ ':status': 404 }, status.UNIMPLEMENTED],
      [{ ':status': 401 }, status.UNAUTHENTICATED],
      [{ ':status': 200, 'content-type': 'text/html' }, status.UNKNOWN],
      [{ ':status': 200, 'content-type': 'application/grpc', 'grpc-status': '99' }, status.UNKNOWN],
      [{ ':status': 200, 'content-type': 'application/grpc', 'grpc-status': 'x' }, status.UNKNOWN],
      [{ ':status': 200, 'content-type': 'application/grpc' }, status.INTERNAL],
    ] as const;
    const server = await rawServer(t, (stream, _, index) => {
      stream.respond(cases[index]?.[0] ?? {}, { endStream: true });
    });
    const c = client(t, server.port);
    for (const [headers, code] of cases) {
      await assert.rejects(call(c, Buffer.from('a')), { code }, JSON.stringify(headers));
    }
  });

  it('are told when the message is not whole', async (t) => {
    const bodies = [
      Buffer.alloc(0),
      Buffer.from([0, 0, 0, 0, 9, 1]),
      Buffer.from([9, 0, 0, 0, 0]),
      Buffer.alloc(10),
    ];
    const server = await rawServer(t, (stream, _, index) => {
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
      stream.end(bodies[index]);
    });
    const c = client(t, server.port);
    for (const body of bodies) await assert.rejects(call(c, body), { name: 'MessageError' });
  });
});

/** A port that nobody listens on. */
async function freePort(): Promise<number> {
  const server = createTcpServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
