// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import { after, describe, it, type TestContext } from 'node:test';
import { promisify } from 'node:util';
import { openGrpcClient } from '../../src/grpc/client.ts';
import { isSupportedEncoding } from '../../src/grpc/encoding.ts';
import { Code, GrpcError } from '../../src/grpc/status.ts';
import { testServer, until } from '../../src/grpc/testing/test-server.ts';
import type { UnaryHandler } from '../../src/grpc/server-call.ts';
import { systemClock } from '../../src/internal/clock.ts';
import { never } from '../../src/internal/testing/settings.ts';
import { needGo } from '../go.ts';
import { pythonEnv } from './python-env.ts';

const run = promisify(execFile);
/** Continuous integration has Go; elsewhere grpc-js and grpcio still speak with us. */

/** A program of another maker that is run as `… client ADDRESS` and `… server`. */
interface Peer {
  readonly command: string;
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
}

interface Outcome {
  readonly name: string;
  readonly code: number;
  readonly message: string;
  readonly [more: string]: unknown;
}

const folder = mkdtempSync(join(tmpdir(), 'grpc-peer-'));
after(() => rmSync(folder, { recursive: true }));

let builtPeer: Promise<Peer> | undefined;

function goPeer(): Promise<Peer> {
  builtPeer ??= (async () => {
    const binary = join(folder, 'peer');
    const cwd = join(import.meta.dirname, 'go-grpc-peer');
    await run(needGo(), ['build', '-o', binary, '.'], { cwd });
    return { command: binary, args: [], env: process.env };
  })();
  return builtPeer;
}

async function pythonPeer(): Promise<Peer> {
  const { python, env } = pythonEnv();
  return { command: python, args: [join(import.meta.dirname, 'grpc-peer.py')], env };
}

const METHODS: Readonly<Record<string, UnaryHandler>> = {
  '/test.Service/Echo': async (request) => request,
  '/test.Service/Fail': async () => {
    throw new GrpcError(Code.resourceExhausted, 'später: 100 %', { retryAfterMs: 2_500 });
  },
  '/test.Service/Headers': async (_, { headers }) =>
    Buffer.from(`${String(headers['x-team'])} ${String(headers['x-key-bin']).replace(/=+$/, '')}`),
  '/test.Service/Hang': (_, { signal }) =>
    new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
};

/** What the peer's client made of our server. */
async function callsOf(t: TestContext, peer: Peer) {
  const server = await testServer(t, async (request) => request, { methods: METHODS });
  const { stdout } = await run(peer.command, [...peer.args, 'client', `127.0.0.1:${server.port}`], {
    env: peer.env,
  });
  const outcomes = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Outcome);
  return { server, outcomes, of: (name: string) => outcomes.find((outcome) => outcome.name === name) };
}

async function checkClient(t: TestContext, peer: Peer, encodings: readonly string[]): Promise<void> {
  const { server, outcomes, of } = await callsOf(t, peer);
  for (const encoding of ['', ...encodings]) {
    for (const size of [0, 1_000, 1_000_000]) {
      const outcome = of(`echo ${encoding} ${size}`);
      if (encoding === '' || isSupportedEncoding(encoding))
        assert.equal(outcome?.['same'], true, outcome?.name);
      else assert.equal(outcome?.code, Code.unimplemented, outcome?.name);
    }
  }
  assert.equal(of('too large')?.code, Code.resourceExhausted);
  assert.match(of('too large')?.message ?? '', /received message larger than max \(4194305 vs\. 4194304\)/);
  assert.equal(of('unknown')?.code, Code.unimplemented);
  assert.deepEqual([of('fail')?.code, of('fail')?.message], [Code.resourceExhausted, 'später: 100 %']);
  assert.equal(of('fail')?.['retryMs'] ?? 2_500, 2_500);
  assert.equal(of('headers')?.['reply'], 'north Af8');
  assert.equal(of('deadline')?.code, Code.deadlineExceeded);
  assert.equal(of('parallel')?.['good'], 200);
  const { code, message } = of('pings') ?? { code: Code.unavailable, message: 'too_many_pings' };
  assert.equal(code, Code.unavailable, message);
  assert.ok(outcomes.length >= 15);
  assert.deepEqual(server.errors, []);
  await until(() => server.held.now === 0);
}

/** A running server of the peer; gives its port and what it prints after that. */
async function serverOf(t: TestContext, peer: Peer): Promise<{ port: number; lines: Interface }> {
  const child: ChildProcess = spawn(peer.command, [...peer.args, 'server'], {
    env: peer.env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.after(() => child.kill('SIGKILL'));
  assert.ok(child.stdout !== null);
  const lines = createInterface({ input: child.stdout });
  const [first] = (await once(lines, 'line')) as [string];
  return { port: (JSON.parse(first) as { port: number }).port, lines };
}

async function checkServer(t: TestContext, peer: Peer, encodings: readonly string[]): Promise<void> {
  const { port, lines } = await serverOf(t, peer);
  const open = (encoding: 'identity' | 'gzip' | 'deflate' | 'zstd' | 'snappy') => {
    const client = openGrpcClient({
      target: { kind: 'tcp', at: { host: '127.0.0.1', port } },
      tls: undefined,
      serverName: undefined,
      authority: `127.0.0.1:${port}`,
      headers: { 'x-team': 'north', 'x-key-bin': 'Af8' },
      encoding,
      balancing: 'round_robin',
      keepalive: { timeMs: 10_000, timeoutMs: 10_000, permitWithoutCalls: false },
      backoff: { initialMs: 5, maxMs: 50 },
      waitForReady: true,
      maxReceiveBytes: 4 * 1024 * 1024,
      onReady: () => undefined,
      clock: systemClock,
    });
    t.after(() => client.close());
    return (method: string, body: Uint8Array, signal = never(), timeoutMs = 60_000) =>
      client.call(`/test.Service/${method}`, [body.subarray(0, 3), body.subarray(3)], timeoutMs, signal);
  };
  for (const encoding of ['identity', 'gzip', 'deflate', 'zstd', 'snappy'] as const) {
    if (encoding !== 'identity' && !(encodings.includes(encoding) && isSupportedEncoding(encoding))) continue;
    const call = open(encoding);
    for (const size of [0, 1_000, 1_000_000]) {
      const body = Buffer.from('work;'.repeat(size / 5));
      assert.ok(body.equals(await call('Echo', body)), `${encoding} ${size}`);
    }
  }
  const call = open('identity');
  const small = Buffer.from('a');
  await assert.rejects(call('Unknown', small), { code: Code.unimplemented });
  await assert.rejects(call('Echo', Buffer.alloc(4 * 1024 * 1024 + 1)), { code: Code.resourceExhausted });
  await assert.rejects(call('Fail', small), {
    code: Code.resourceExhausted,
    message: 'später: 100 %',
    retryAfterMs: 2_500,
  });
  assert.match(Buffer.from(await call('Headers', small)).toString(), /^\[?north\]? \[?01ff\]? true$/i);
  const bodies = Array.from({ length: 200 }, (_, i) => Buffer.alloc(i * 100, i));
  const replies = await Promise.all(bodies.map((body) => call('Echo', body)));
  assert.ok(replies.every((reply, i) => bodies[i]?.equals(reply)));

  const gone = new AbortController();
  const hanging = assert.rejects(call('Hang', small, gone.signal), /no time left/);
  await call('Echo', small);
  const line = once(lines, 'line');
  gone.abort(new Error('no time left'));
  await hanging;
  assert.deepEqual(JSON.parse(String((await line)[0])), { cancelled: true });
}

describe('our gRPC and that of grpcio', () => {
  it('understand each other when it is the client', async (t) => {
    await checkClient(t, await pythonPeer(), ['gzip', 'deflate']);
  });

  it('understand each other when it is the server', async (t) => {
    await checkServer(t, await pythonPeer(), ['gzip', 'deflate']);
  });
});

describe('our gRPC and that of Go', () => {
  it('understand each other when it is the client', async (t) => {
    await checkClient(t, await goPeer(), ['gzip', 'zstd', 'snappy']);
  });

  it('understand each other when it is the server', async (t) => {
    await checkServer(t, await goPeer(), ['gzip', 'zstd', 'snappy']);
  });
});
