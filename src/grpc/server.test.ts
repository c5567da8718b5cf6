// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, it, type TestContext } from 'node:test';
import {
  type CallOptions,
  Client,
  type ClientOptions,
  compressionAlgorithms,
  credentials,
  Metadata,
  type ServiceError,
  status,
} from '@grpc/grpc-js';
import { deferred } from '../internal/deferred.ts';
import { FakeClock } from '../internal/testing/fake-clock.ts';
import { never } from '../internal/testing/settings.ts';
import { GrpcError } from './status.ts';
import { retryAfterMsOf } from './status-details.ts';
import { ECHO, testServer, until } from './testing/test-server.ts';

const asIs = (bytes: Buffer): Buffer => bytes;

/** Calls of a grpc-js client. */
function grpcJs(t: TestContext, port: number, options: ClientOptions = {}) {
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure(), options);
  t.after(() => client.close());
  return (body: Buffer, more: { path?: string; metadata?: Metadata; call?: CallOptions } = {}) =>
    new Promise<Buffer>((resolve, reject) => {
      const { path = ECHO, metadata = new Metadata(), call = {} } = more;
      client.makeUnaryRequest(path, asIs, asIs, body, metadata, call, (error, reply) =>
        error === null ? resolve(reply ?? Buffer.alloc(0)) : reject(error),
      );
    });
}

const echo = (bytes: Uint8Array): Promise<Uint8Array> => Promise.resolve(bytes);

describe('a gRPC server and the grpc-js client', () => {
  it('carries messages of every size both ways, 200 at a time', async (t) => {
    const server = await testServer(t, echo);
    const call = grpcJs(t, server.port);
    const sizes = [0, 1, 5, 16_379, 16_384, 65_535, 65_536, 65_537, 524_288, 524_289, 3_000_000];
    for (const size of sizes) {
      const body = randomBytes(size);
      assert.ok((await call(body)).equals(body), `${size} bytes`);
    }
    const bodies = Array.from({ length: 200 }, (_, i) => randomBytes(i * 100));
    const replies = await Promise.all(bodies.map((body) => call(body)));
    assert.ok(replies.every((reply, i) => reply.equals(bodies[i] ?? Buffer.alloc(1))));
    assert.equal(server.held.now, 0);
    assert.deepEqual([server.refused, server.errors], [[], []]);
  });

  it('understands gzip and deflate', async (t) => {
    const server = await testServer(t, echo);
    const body = Buffer.from('work;'.repeat(50_000));
    for (const algorithm of [compressionAlgorithms.gzip, compressionAlgorithms.deflate]) {
      const call = grpcJs(t, server.port, { 'grpc.default_compression_algorithm': algorithm });
      assert.ok((await call(body)).equals(body));
    }
    assert.deepEqual(server.refused, []);
  });

  it('hands headers to the handler', async (t) => {
    const seen: unknown[] = [];
    const server = await testServer(t, async (bytes, { headers }) => {
      seen.push(headers['x-team'], headers['x-key-bin']);
      return bytes;
    });
    const metadata = new Metadata();
    metadata.set('x-team', 'north');
    metadata.set('x-key-bin', Buffer.from([1, 2, 3, 255]));
    await grpcJs(t, server.port)(Buffer.from('a'), { metadata });
    assert.deepEqual(seen, ['north', 'AQID/w==']);
  });

  it('answers the status that a handler throws, with UTF-8 and a wait', async (t) => {
    const server = await testServer(t, () => {
      throw new GrpcError(status.RESOURCE_EXHAUSTED, 'später: 100 %\n', { retryAfterMs: 2_500 });
    });
    await assert.rejects(grpcJs(t, server.port)(Buffer.from('a')), (error: ServiceError) => {
      assert.equal(error.code, status.RESOURCE_EXHAUSTED);
      assert.equal(error.details, 'später: 100 %\n');
      const [details] = error.metadata.get('grpc-status-details-bin');
      assert.equal(retryAfterMsOf(Buffer.from(details ?? '')), 2_500);
      return true;
    });
    assert.deepEqual(server.refused, []);
  });

  it('tells nothing of an unexpected error, and reports it', async (t) => {
    const bug = new TypeError('secret');
    const server = await testServer(t, () => Promise.reject(bug));
    await assert.rejects(grpcJs(t, server.port)(Buffer.from('a')), (error: ServiceError) => {
      assert.equal(error.code, status.UNKNOWN);
      assert.doesNotMatch(error.details, /secret/);
      return true;
    });
    assert.deepEqual(server.errors, [bug]);
  });

  it('cuts messages of errors that no client would take', async (t) => {
    const server = await testServer(t, () => {
      throw new GrpcError(status.INTERNAL, 'ö'.repeat(100_000), { retryAfterMs: 1 });
    });
    await assert.rejects(grpcJs(t, server.port)(Buffer.from('a')), (error: ServiceError) => {
      assert.equal(error.code, status.INTERNAL);
      assert.match(error.details, /^ö{512}…$/);
      return true;
    });
  });

  it('does not know other methods', async (t) => {
    const server = await testServer(t, echo);
    const call = grpcJs(t, server.port);
    for (const path of ['/test.Service/Other', '/constructor', '/toString']) {
      await assert.rejects(call(Buffer.from('a'), { path }), {
        code: status.UNIMPLEMENTED,
        details: `unknown method ${path}`,
      });
    }
    assert.deepEqual(server.refused, ['unsupported', 'unsupported', 'unsupported']);
  });

  it('refuses what is too large before it takes memory for it, compressed or not', async (t) => {
    const server = await testServer(t, echo, { maxMessageBytes: 100_000 });
    await assert.rejects(grpcJs(t, server.port)(Buffer.alloc(100_001)), {
      code: status.RESOURCE_EXHAUSTED,
      details: 'grpc: received message larger than max (100001 vs. 100000)',
    });
    assert.equal(server.held.most, 0);
    const gzip = grpcJs(t, server.port, { 'grpc.default_compression_algorithm': compressionAlgorithms.gzip });
    await assert.rejects(gzip(Buffer.alloc(9_000_000)), { code: status.RESOURCE_EXHAUSTED });
    assert.deepEqual(server.refused, ['too_large', 'too_large']);
    const body = Buffer.alloc(100_000);
    assert.ok((await gzip(body)).equals(body));
  });

  it('asks clients to come again when too much is in flight', async (t) => {
    const gate = deferred();
    const server = await testServer(
      t,
      async (bytes) => {
        await gate.promise;
        return bytes;
      },
      { maxHeldBytes: 150_000 },
    );
    const call = grpcJs(t, server.port);
    const first = call(Buffer.alloc(100_000));
    await until(() => server.held.now === 100_000);
    await assert.rejects(call(Buffer.alloc(60_000)), (error: ServiceError) => {
      assert.equal(error.code, status.RESOURCE_EXHAUSTED);
      const [details] = error.metadata.get('grpc-status-details-bin');
      assert.equal(retryAfterMsOf(Buffer.from(details ?? '')), 1_000);
      return true;
    });
    assert.deepEqual(server.refused, ['busy']);
    gate.resolve();
    await first;
    assert.equal(server.held.now, 0);
  });

  it('aborts the handler when the client cancels', async (t) => {
    const aborted = deferred<unknown>();
    const server = await testServer(t, async (bytes, { signal }) => {
      signal.addEventListener('abort', () => aborted.resolve(signal.reason));
      await aborted.promise;
      return bytes;
    });
    const client = new Client(`127.0.0.1:${server.port}`, credentials.createInsecure());
    t.after(() => client.close());
    const replied = deferred<ServiceError | null>();
    const call = client.makeUnaryRequest(ECHO, asIs, asIs, Buffer.from('a'), (error) =>
      replied.resolve(error),
    );
    await until(() => server.held.now === 1);
    call.cancel();
    assert.match(String(await aborted.promise), /the client cancelled the call/);
    assert.equal((await replied.promise)?.code, status.CANCELLED);
    await until(() => server.held.now === 0);
    assert.deepEqual(server.refused, []);
  });

  it('answers for the handler when the deadline passes, and aborts it', async (t) => {
    const clock = new FakeClock();
    const aborted = deferred();
    const server = await testServer(
      t,
      async (bytes, { signal }) => {
        signal.addEventListener('abort', () => aborted.resolve());
        await aborted.promise;
        return bytes;
      },
      { clock },
    );
    const reply = grpcJs(t, server.port)(Buffer.from('a'), { call: { deadline: Date.now() + 3_600_000 } });
    await until(() => server.held.now === 1);
    const assertion = assert.rejects(reply, { code: status.DEADLINE_EXCEEDED, details: 'deadline exceeded' });
    await clock.advance(3_600_001);
    await assertion;
    await aborted.promise;
  });
});

describe('connections of a gRPC server', () => {
  /** A server on a clock of its own, and the call of a client that has called once. */
  async function connected(t: TestContext, times: object) {
    const clock = new FakeClock();
    const gate = deferred();
    const server = await testServer(
      t,
      async (bytes) => {
        if (bytes.length > 0) await gate.promise;
        return bytes;
      },
      { clock, times },
    );
    const call = grpcJs(t, server.port);
    await call(Buffer.alloc(0));
    return { clock, gate, server, call };
  }

  it('end when they are idle, and not while a call runs', async (t) => {
    const { clock, gate, server, call } = await connected(t, { maxIdleMs: 10_000 });
    const running = call(Buffer.from('a'));
    await until(() => server.held.now === 1);
    await clock.advance(60_000);
    assert.deepEqual(server.ends, []);
    gate.resolve();
    await running;
    await until(() => clock.pending.includes(10_000));
    await clock.advance(10_000);
    assert.deepEqual(server.ends, ['idle']);
    await call(Buffer.alloc(0));
  });

  it('end when they are old; what runs may finish', async (t) => {
    const { clock, gate, server, call } = await connected(t, { maxAgeMs: 10_000 });
    const running = call(Buffer.from('a'));
    await until(() => server.held.now === 1);
    await clock.advance(11_001);
    assert.deepEqual(server.ends, ['max_age']);
    gate.resolve();
    assert.equal((await running).toString(), 'a');
  });

  it('are cut when the grace of their age is over', async (t) => {
    const { clock, server, call } = await connected(t, { maxAgeMs: 10_000, maxAgeGraceMs: 5_000 });
    const running = assert.rejects(call(Buffer.from('a')));
    await until(() => server.held.now === 1);
    await clock.advance(16_001);
    await running;
  });

  it('stay while the client answers pings', async (t) => {
    const { clock, server, call } = await connected(t, {
      keepaliveTimeMs: 10_000,
      keepaliveTimeoutMs: 7_000,
    });
    for (let i = 0; i < 3; i++) {
      await clock.advance(10_000);
      await until(() => !clock.pending.includes(7_000));
    }
    assert.deepEqual(server.ends, []);
    await call(Buffer.alloc(0));
  });

  it('finish running calls at shutdown and take no new ones', async (t) => {
    const { gate, server, call } = await connected(t, {});
    const running = call(Buffer.from('a'));
    await until(() => server.held.now === 1);
    const closed = server.close(never());
    gate.resolve();
    assert.equal((await running).toString(), 'a');
    await closed;
    await assert.rejects(call(Buffer.alloc(0)), { code: status.UNAVAILABLE });
  });

  it('are cut at shutdown when the deadline passes', async (t) => {
    const { server, call } = await connected(t, {});
    const running = assert.rejects(call(Buffer.from('a')));
    await until(() => server.held.now === 1);
    const deadline = new AbortController();
    const closed = server.close(deadline.signal);
    deadline.abort();
    await Promise.all([closed, running]);
  });
});
