// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { describe, it } from 'node:test';
import { promisify } from 'node:util';
import { FakeClock } from '../testing/fake-clock.ts';
import { packageRoot } from '../package-root.ts';
import type { MemorySettings } from './limits.ts';
import type { Memory } from './memory.ts';
import { MemoryGate } from './memory-gate.ts';

const MIB = 1024 * 1024;

interface Figures {
  readonly rss: number;
  readonly used: number;
  readonly native: number;
}

/** Figures in MiB that a process of its own tells when it has done this to its memory. */
async function figuresOf(code: string): Promise<readonly Figures[]> {
  const script = `
    import { setTimeout as delay } from 'node:timers/promises';
    import { processMemory } from './src/internal/memory-gate/memory.ts';
    const memory = processMemory(true);
    const told = [];
    const tell = () => told.push(Object.fromEntries(Object.entries({
      rss: process.memoryUsage.rss(), used: memory.usedBytes(), native: memory.native.bytes(),
    }).map(([name, bytes]) => [name, Math.round(bytes / ${MIB})])));
    tell();
    ${code}
    console.log(JSON.stringify(told));`;
  const args = ['--import', 'tsx', '--input-type=module', '--eval', script];
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: packageRoot() });
  return JSON.parse(stdout) as Figures[];
}

const at = (figures: readonly Figures[], index: number): Figures =>
  figures[index] ?? assert.fail(`no figures ${index}`);

describe('memory with the resident set', () => {
  it('does not take what buffers leave behind for memory in use', async () => {
    const figures = await figuresOf(`
      let held = [];
      for (let i = 0; i < 3200; i++) held.push(new Uint8Array(65536).fill(1));
      tell();
      held = undefined;
      for (let turn = 0; turn < 200 && process.memoryUsage().external > 50e6; turn++) {
        memory.collectGarbage();
        await delay(10);
      }
      tell();`);
    const [before, full, after] = [at(figures, 0), at(figures, 1), at(figures, 2)];
    assert.ok(full.used - before.used > 190, JSON.stringify(figures));
    assert.ok(after.rss - before.rss > 100, `the allocator keeps it: ${JSON.stringify(figures)}`);
    assert.ok(after.used - before.used < 50 && after.native === 0, JSON.stringify(figures));
  });

  it('sees memory of native code, of which the runtime knows nothing', async () => {
    const figures = await figuresOf(`
      const held = [];
      const start = process.memoryUsage.rss();
      // Patterns of dates are on the heap of ICU.
      while (process.memoryUsage.rss() - start < 150 * ${MIB})
        for (let i = 0; i < 20; i++) held.push(new Intl.DateTimeFormat('de', { dateStyle: 'full', timeStyle: 'full' }));
      tell();
      const { external } = process.memoryUsage();
      if (external > 100e6) throw new Error('the runtime knows of it');
      memory.native.accept();
      tell();`);
    const [before, full, accepted] = [at(figures, 0), at(figures, 1), at(figures, 2)];
    assert.ok(full.native > 60 && full.used - before.used > 60, JSON.stringify(figures));
    assert.ok(accepted.native <= 1 && full.used - accepted.used > 60, JSON.stringify(figures));
  });
});

describe('a gate that native memory alone keeps shut', () => {
  const settings: MemorySettings = {
    ...{ check_interval: 1_000, include_rss: true, limit_mib: 100, spike_limit_mib: 20 },
    ...{ limit_percentage: 0, spike_limit_percentage: 0 },
    ...{ min_gc_interval_when_soft_limited: 0, max_gc_interval_when_soft_limited: 0 },
    ...{ min_gc_interval_when_hard_limited: 0, max_gc_interval_when_hard_limited: 0 },
  };

  function gateOver(figures: { live: number; native: number }) {
    const memory: Memory = {
      totalBytes: () => 0,
      usedBytes: () => (figures.live + figures.native) * MIB,
      collectGarbage: undefined,
      native: { bytes: () => figures.native * MIB, accept: () => (figures.native = 0) },
    };
    const clock = new FakeClock();
    const gate = new MemoryGate(settings, memory, clock);
    const accepted: number[] = [];
    gate.start({ onChange: () => undefined, onAccepted: (bytes) => accepted.push(bytes / MIB) });
    return { gate, clock, accepted };
  }

  it('opens after 30 s in which that did not grow', async () => {
    const figures = { live: 30, native: 60 };
    const { gate, clock, accepted } = gateOver(figures);
    await clock.advance(20_000);
    figures.native = 70;
    await clock.advance(29_000);
    assert.deepEqual([gate.isShut, accepted], [true, []]);
    await clock.advance(2_000);
    assert.deepEqual([gate.isShut, accepted], [false, [70]]);
    gate.stop();
  });

  it('stays shut where what is alive is too much by itself', async () => {
    const { gate, clock, accepted } = gateOver({ live: 85, native: 60 });
    await clock.advance(120_000);
    assert.deepEqual([gate.isShut, accepted], [true, []]);
    gate.stop();
  });
});
