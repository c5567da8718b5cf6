// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { execFile, type ExecFileOptions } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { cpuPprof, pushRequest } from '../../src/receivers/pyroscope/testing/running-receiver.ts';
import { needGo } from '../go.ts';
import { BothEnds, shareOf, totalOf } from './both-ends.ts';
import { pythonEnv } from './python-env.ts';

const run = promisify(execFile);
const CPU = 'process_cpu:cpu:nanoseconds:cpu:nanoseconds';
const DELAY = 'delay:nanoseconds';
const EU = { region: 'eu' };
const TIMEOUT_MS = 120_000;

describe('profiles of real senders arrive over push.v1 and OTLP, with types, labels, totals and functions', {
  concurrency: true,
}, () => {
  let ends: BothEnds;
  let url = '';
  before(async () => {
    // Made while nothing else runs: it holds the event loop where it has to be installed.
    pythonEnv();
    ends = await BothEnds.start({ pyroscope: { endpoint: '127.0.0.1:0' } });
    url = ends.endpoint('Pyroscope server listens');
  });
  after(() => ends.stop());
  const child = (env?: NodeJS.ProcessEnv): ExecFileOptions => ({ timeout: TIMEOUT_MS, ...(env && { env }) });

  it('of Node.js: @pyroscope/nodejs', async () => {
    await run(process.execPath, [join(import.meta.dirname, 'pyroscope-sender.mjs'), url], child());
    ends.assertAllTaken();
    const types = await ends.push.types('node-shop');
    for (const type of [
      'wall:samples:count:wall:nanoseconds',
      'wall:wall:nanoseconds:wall:nanoseconds',
      'wall:cpu:nanoseconds:wall:nanoseconds',
      'memory:inuse_space:bytes:inuse_space:bytes',
    ]) {
      assert.ok(types.includes(type), `${type} is not among ${types.join(' ')}`);
    }
    const wall = await ends.same('node-shop', EU, 'wall:wall:nanoseconds:wall:nanoseconds');
    assert.ok(shareOf(wall, /burnCpu/) > 0.5, wall);
    const cpu = await ends.same('node-shop', EU, 'wall:cpu:nanoseconds:wall:nanoseconds');
    assert.ok(shareOf(cpu, /burnCpu/) > 0.5, cpu);
    const space = 'inuse_space:bytes:inuse_space:bytes';
    await ends.same('node-shop', EU, `memory:${space}`, `inuse_space:${space}`);
  });

  it('of Python: pyroscope-io', async () => {
    const { python, env } = pythonEnv();
    await run(python, [join(import.meta.dirname, 'pyroscope-sender.py'), url], child(env));
    ends.assertAllTaken();
    assert.deepEqual([await ends.push.types('py-shop'), await ends.otlp.types('py-shop')], [[CPU], [CPU]]);
    assert.ok(shareOf(await ends.same('py-shop', EU, CPU), /burn_cpu/) > 0.9);
  });

  it('of Go: pyroscope-go', async (t) => {
    const directory = mkdtempSync(join(tmpdir(), 'otelcol-profiles-sender-'));
    t.after(() => rmSync(directory, { recursive: true }));
    const binary = join(directory, 'sender');
    const cwd = join(import.meta.dirname, 'go-pyroscope-sender');
    await run(needGo(), ['build', '-o', binary, '.'], { cwd });
    await run(binary, [url], child());
    ends.assertAllTaken();
    const types = await ends.push.types('go-shop');
    assert.ok(types.some((type) => /^goroutines?:goroutine:count:goroutine:count$/.test(type)));
    for (const [type, otlpType, name] of [
      [CPU, 'cpu:cpu:nanoseconds:cpu:nanoseconds', /main\.burnCPU/],
      ['memory:alloc_space:bytes:space:bytes', 'space:alloc_space:bytes:space:bytes', /main\.allocate/],
      ['memory:inuse_space:bytes:space:bytes', 'space:inuse_space:bytes:space:bytes', /main\.allocate/],
    ] as const) {
      assert.ok(types.includes(type), `${type} is not among ${types.join(' ')}`);
      const folded = await ends.same('go-shop', EU, type, otlpType);
      assert.ok(shareOf(folded, name) > 0.8, `${type} ${folded}`);
    }
    // Ticks of 10 ms, of which the receiving end of OTLP makes time.
    const ticks = await ends.push.folded('process_cpu:samples:count:cpu:nanoseconds', 'go-shop', EU);
    assert.equal(totalOf(await ends.otlp.folded(CPU, 'go-shop', EU)), totalOf(ticks) * 1e7);
    const block = await ends.same(
      'go-shop',
      EU,
      `block:${DELAY}:contentions:count`,
      `block:${DELAY}:block:count`,
    );
    assert.match(block, /main\.main;runtime\.chanrecv1/);
    await ends.same('go-shop', EU, `mutex:${DELAY}:contentions:count`, `mutex:${DELAY}:mutex:count`);
  });

  it('of a client of grpcio, plain and gzipped', async () => {
    const { python, env } = pythonEnv();
    const address = url.replace('http://', '');
    const labels = { __name__: 'process_cpu', service_name: 'grpc-shop', region: 'eu' };
    const profiles = [cpuPprof('main;work 30000000', BigInt(Date.now()) * 1_000_000n)];
    for (const more of [[], ['gzip']]) {
      const promise = run(
        python,
        [join(import.meta.dirname, 'pyroscope-grpc.py'), address, ...more],
        child(env),
      );
      promise.child.stdin?.end(pushRequest({ labels, profiles }));
      assert.equal((await promise).stdout.toString().trim(), 'OK');
    }
    const bad = run(python, [join(import.meta.dirname, 'pyroscope-grpc.py'), address], child(env));
    bad.child.stdin?.end('no request');
    assert.match((await bad).stdout.toString(), /^INVALID_ARGUMENT invalid push\.v1 request/);
    assert.deepEqual(
      [await ends.push.types('grpc-shop'), await ends.otlp.types('grpc-shop')],
      [[CPU], [CPU]],
    );
    // The same profile twice: what a server does to such pairs is compaction.
    assert.match(await ends.push.folded(CPU, 'grpc-shop', EU), /^main;work [36]0000000$/);
  });
});
