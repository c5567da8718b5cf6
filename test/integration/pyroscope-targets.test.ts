// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { needGo } from '../go.ts';
import { BothEnds, shareOf, totalOf } from './both-ends.ts';

const CPU = 'process_cpu:cpu:nanoseconds:cpu:nanoseconds';
const WALL = 'wall:nanoseconds:wall:nanoseconds';
const WITHIN_MS = 60_000;
const EU = { region: 'eu' };

/** Starts a program that prints its address; gives the address. */
async function started(t: TestContext, command: string, ...args: string[]): Promise<string> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(child, 'exit');
  t.after(async () => {
    child.kill();
    await ended;
  });
  const [address] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
  return address;
}

/** Scrapes a target until over push.v1 the stacks of all types have come, and ends the collector. */
async function scraped(
  t: TestContext,
  service: string,
  address: string,
  profiling: object,
  wanted: Readonly<Record<string, RegExp>>,
): Promise<BothEnds> {
  const ends = await BothEnds.start({
    pyroscope_scrape: {
      targets: [{ __address__: address, service_name: service, ...EU }],
      scrape_interval: '2s',
      profiling_config: profiling,
    },
  });
  t.after(() => ends.stop());
  const end = performance.now() + WITHIN_MS;
  for (const [type, stack] of Object.entries(wanted)) {
    let folded = '';
    while (!stack.test((folded = await ends.push.folded(type, service, EU)))) {
      assert.ok(performance.now() < end, `${type}: ${folded}; ${ends.log.join('\n')}`);
      await delay(100);
    }
  }
  await ends.drain();
  ends.assertAllTaken();
  return ends;
}

const off = { enabled: false };

describe('profiles of scraped programs arrive over push.v1 and OTLP, with types, labels, totals and functions', () => {
  it('of Node.js: express with the middleware of @pyroscope/nodejs', async (t) => {
    const script = join(import.meta.dirname, 'express-target.mjs');
    // V8 names no function that it has put into another, and none whose running loop it replaced before it profiled.
    const address = await started(t, process.execPath, '--no-use-osr', '--no-turbo-inlining', script);
    const began = performance.now();
    const heap = 'space:bytes:space:bytes';
    const profiling = { memory: { path: '/debug/pprof/heap' }, block: off, goroutine: off, mutex: off };
    const ends = await scraped(t, 'express-shop', address, profiling, {
      [`process_cpu:${WALL}`]: /burnCpu/,
      [`memory:${heap}`]: /external/,
    });
    // Scraped as process_cpu, as Alloy's is; over OTLP the period says what it is.
    const wall = await ends.same('express-shop', EU, `process_cpu:${WALL}`, `wall:${WALL}`);
    assert.ok(shareOf(wall, /burnCpu/) > 0.5, wall);
    const total = totalOf(wall);
    assert.ok(total > 2e8 && total < (performance.now() - began) * 1e6, `${total} ns`);
    const cpu = 'cpu:nanoseconds:wall:nanoseconds';
    assert.match(await ends.same('express-shop', EU, `process_cpu:${cpu}`, `wall:${cpu}`), /burnCpu/);
    // The library begins to sample as it is asked: it has what V8 says of memory outside the heap.
    assert.match(
      await ends.same('express-shop', EU, `memory:${heap}`, `space:${heap}`),
      /\(external\) [1-9]/,
    );
    assert.deepEqual(
      [...new Set((await ends.otlp.series('express-shop')).map((labels) => labels['instance']))],
      [address],
    );
  });

  it('of Go: net/http/pprof', async (t) => {
    const directory = mkdtempSync(join(tmpdir(), 'otelcol-profiles-target-'));
    t.after(() => rmSync(directory, { recursive: true }));
    const binary = join(directory, 'target');
    const cwd = join(import.meta.dirname, 'go-pprof-target');
    await promisify(execFile)(needGo(), ['build', '-o', binary, '.'], { cwd });
    const address = await started(t, binary);
    const working = setInterval(() => void fetch(`http://${address}/work`).catch(() => undefined), 300);
    t.after(() => clearInterval(working));
    const space = 'alloc_space:bytes:space:bytes';
    const inUse = 'inuse_space:bytes:space:bytes';
    const wait = 'delay:nanoseconds:contentions:count';
    const goroutines = 'goroutine:goroutine:count:goroutine:count';
    const ends = await scraped(
      t,
      'go-web',
      address,
      {},
      {
        [CPU]: /main\.burn/,
        [`memory:${space}`]: /main\.allocate/,
        [`memory:${inUse}`]: /main\.allocate/,
        [`block:${wait}`]: /main\.contend/,
        [`mutex:${wait}`]: /main\.contend/,
        [goroutines]: /main\.main/,
      },
    );
    await ends.same('go-web', EU, CPU, 'cpu:cpu:nanoseconds:cpu:nanoseconds');
    await ends.same('go-web', EU, `memory:${space}`, `space:${space}`);
    await ends.same('go-web', EU, `memory:${inUse}`, `space:${inUse}`);
    await ends.same('go-web', EU, goroutines);
    const ticks = await ends.push.folded('process_cpu:samples:count:cpu:nanoseconds', 'go-web', EU);
    assert.equal(totalOf(await ends.otlp.folded(CPU, 'go-web', EU)), totalOf(ticks) * 1e7);
    for (const name of ['block', 'mutex'])
      await ends.same('go-web', EU, `${name}:${wait}`, `${name}:delay:nanoseconds:${name}:count`);
  });
});
