// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { garbageCollector } from '../internal/garbage-collector.ts';
import { FakeClock } from '../internal/testing/fake-clock.ts';
import { codecsAddon } from './codecs-addon.ts';
import { startTrimming } from './memory-trimmer.ts';

const MIB = 1024 * 1024;

describe('giving freed memory back', () => {
  it('is done every 10 s while it is worth it, and less and less often while it is not', async () => {
    const clock = new FakeClock();
    const before = clock.now();
    const times: number[] = [];
    let resident = 500 * MIB;
    let gainBytes = 10 * MIB;
    const stop = startTrimming(clock, {
      residentBytes: () => resident,
      async trim() {
        times.push((clock.now() - before) / 1000);
        resident -= gainBytes;
      },
    });
    const until = (seconds: number): Promise<void> => clock.advance(before + seconds * 1000 - clock.now());
    await until(35);
    gainBytes = MIB;
    await until(1_000);
    assert.deepEqual(times, [10, 20, 30, 40, 60, 100, 180, 340, 660]);
    await until(1_290);
    gainBytes = 10 * MIB;
    await until(1_315);
    assert.deepEqual(times.slice(9), [1_260]);
    await until(1_880);
    assert.deepEqual(times.slice(10), [1_860, 1_870, 1_880]);
    stop();
    await until(1_900);
    assert.equal(times.length, 13);
  });

  it('does nothing where nobody can do it', () => {
    startTrimming(new FakeClock(), { trim: undefined, residentBytes: () => 0 })();
  });

  it('makes the process smaller where freed memory lies between what stays', async () => {
    const addon = codecsAddon();
    const collect = garbageCollector();
    assert.ok(addon !== undefined && collect !== undefined);
    let kept = Array.from({ length: 8_000 }, () => Buffer.allocUnsafeSlow(20_000).fill(1));
    kept = kept.filter((_, i) => i % 20 === 0);
    collect();
    // What a collection frees another thread gives to malloc.
    await new Promise((resolve) => setTimeout(resolve, 500));
    const before = process.memoryUsage.rss();
    await addon.trimMemory();
    const gained = before - process.memoryUsage.rss();
    assert.ok(gained > 40 * MIB, `${(gained / MIB).toFixed(1)} MiB of about 145`);
    assert.ok(kept.every((bytes) => bytes[0] === 1 && bytes.at(-1) === 1));
  });
});
