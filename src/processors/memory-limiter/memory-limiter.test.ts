// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { RetryableError } from '../../consumer/consumer.ts';
import { testProcessorContract } from '../../internal/testing/component-contract.ts';
import { FakeClock } from '../../internal/testing/fake-clock.ts';
import { RecordingConsumer } from '../../internal/testing/recording-consumer.ts';
import { never, testHost, testSettings } from '../../internal/testing/settings.ts';
import { batchFromFolded } from '../../pdata/folded.ts';
import { memoryLimiterSchema as configSchema } from '../../config/sections/memory-limiter.ts';
import { memoryLimiterProcessorFactory } from './factory.ts';
import { limitsFrom } from '../../internal/memory-gate/limits.ts';
import { type Memory, processMemory } from '../../internal/memory-gate/memory.ts';
import { MemoryLimiterProcessor } from './processor.ts';

testProcessorContract(memoryLimiterProcessorFactory, { check_interval: '1s', limit_percentage: 90 });

const MIB = 1024 * 1024;
const batch = batchFromFolded('main;work 1\nmain;idle 2');

/** Memory as the test says; a collection wins `garbageMib` once. */
class FakeMemory implements Memory {
  usedMib = 10;
  garbageMib = 0;
  collections = 0;
  readonly collectGarbage = (): void => {
    this.collections++;
    this.usedMib -= this.garbageMib;
    this.garbageMib = 0;
  };

  totalBytes(): number {
    return 1_000 * MIB;
  }

  usedBytes(): number {
    return this.usedMib * MIB;
  }
}

async function started(memory: Memory, config: object = {}) {
  const clock = new FakeClock();
  const settings = testSettings('memory_limiter');
  const next = new RecordingConsumer();
  const host = testHost();
  const parsed = configSchema.parse({ check_interval: '1s', limit_mib: 100, ...config });
  const processor = new MemoryLimiterProcessor(settings, parsed, next, memory, clock);
  await processor.start(host, never());
  return { clock, settings, next, host, processor };
}

describe('memory limiter', () => {
  it('refuses from the soft limit on, to be sent again, until memory is below it', async () => {
    const memory = new FakeMemory();
    const { clock, processor, settings, next, host } = await started(memory);
    await processor.consumeProfiles(batch, never());
    memory.usedMib = 80;
    await clock.advance(1_000);
    await assert.rejects(processor.consumeProfiles(batch, never()), (error: unknown) => {
      assert.ok(error instanceof RetryableError);
      assert.equal(error.message, 'data refused due to high memory usage');
      assert.equal(error.retryAfterMs, 1_000);
      return true;
    });
    memory.usedMib = 79;
    await clock.advance(1_000);
    await processor.consumeProfiles(batch, never());
    assert.equal(next.batches.length, 2);
    assert.equal(settings.meter.value('processor_accepted_profile_samples'), 4);
    assert.equal(settings.meter.value('processor_refused_profile_samples'), 2);
    assert.deepEqual(
      host.events.map((e) => [e.status, e.error?.message]),
      [
        ['recoverable_error', 'memory usage of 80 MiB is above the soft limit of 80 MiB'],
        ['ok', undefined],
      ],
    );
  });

  it('collects garbage before it refuses', async () => {
    const memory = new FakeMemory();
    const { clock, processor } = await started(memory);
    memory.usedMib = 90;
    memory.garbageMib = 50;
    await clock.advance(1_000);
    await processor.consumeProfiles(batch, never());
    assert.deepEqual([memory.collections, memory.usedMib], [1, 40]);
  });

  it('collects at the soft limit no more often than configured', async () => {
    const memory = new FakeMemory();
    const { clock } = await started(memory, { min_gc_interval_when_soft_limited: '10s' });
    memory.usedMib = 81;
    memory.garbageMib = 70;
    await clock.advance(1_000);
    memory.usedMib = 85;
    memory.garbageMib = 70;
    await clock.advance(9_000);
    assert.equal(memory.collections, 1);
    await clock.advance(1_000);
    assert.equal(memory.collections, 2);
  });

  it('collects less and less often at the hard limit when that wins nothing', async () => {
    const memory = new FakeMemory();
    const { clock } = await started(memory, { max_gc_interval_when_hard_limited: '8s' });
    memory.usedMib = 120;
    await clock.advance(1_000 + 2_000 + 4_000 + 8_000 + 8_000);
    assert.equal(memory.collections, 5);
  });

  it('says so when garbage cannot be collected on demand', async () => {
    const memory: Memory = { totalBytes: () => 0, usedBytes: () => 90 * MIB, collectGarbage: undefined };
    const { processor, settings } = await started(memory);
    await assert.rejects(processor.consumeProfiles(batch, never()), RetryableError);
    assert.match(settings.logger.messages('warn').join('\n'), /lets nobody force a garbage collection/);
  });

  it('stops checking when it is shut down', async () => {
    const { clock, processor } = await started(new FakeMemory());
    await processor.shutdown(never());
    assert.deepEqual(clock.pending, []);
  });

  it('takes MiB before percentages and a fifth of the limit as default spike', () => {
    const limits = (config: object) => {
      const { soft, hard } = limitsFrom(configSchema.parse({ check_interval: '1s', ...config }), 1_000 * MIB);
      return [soft / MIB, hard / MIB];
    };
    assert.deepEqual(limits({ limit_mib: 100, limit_percentage: 50 }), [80, 100]);
    assert.deepEqual(limits({ limit_mib: 100, spike_limit_mib: 30 }), [70, 100]);
    assert.deepEqual(limits({ limit_percentage: 50 }), [400, 500]);
    assert.deepEqual(limits({ limit_percentage: 50, spike_limit_percentage: 20 }), [300, 500]);
  });

  it('reports every wrong setting with the words of upstream', () => {
    for (const [config, message] of [
      [{ limit_mib: 1 }, "'check_interval' must be greater than zero"],
      [{ check_interval: '1s' }, "'limit_mib' or 'limit_percentage' must be greater than zero"],
      [
        { check_interval: '1s', limit_percentage: 101 },
        "'limit_percentage' must be greater than zero and less than or equal to hundred",
      ],
      [
        { check_interval: '1s', limit_mib: 10, spike_limit_mib: 10 },
        "'spike_limit_mib' must be smaller than 'limit_mib'",
      ],
      [
        { check_interval: '1s', limit_percentage: 10, spike_limit_percentage: 10 },
        "'spike_limit_percentage' must be smaller than 'limit_percentage'",
      ],
    ] as const) {
      assert.deepEqual(
        configSchema.safeParse(config).error?.issues.map((i) => i.message),
        [message],
      );
    }
    assert.equal(configSchema.safeParse(null).error?.issues.length, 2);
  });

  it('sees buffers of this process come and go', async () => {
    const memory = processMemory();
    const before = memory.usedBytes();
    const withBuffer = (): number => {
      const held = Buffer.alloc(200 * MIB, 1);
      const used = memory.usedBytes();
      assert.equal(held.length, 200 * MIB);
      return used;
    };
    assert.ok(withBuffer() - before > 190 * MIB);
    // Buffers are swept beside the program: the figure falls some turns after the collection.
    for (let turn = 0; turn < 200 && memory.usedBytes() - before >= 50 * MIB; turn++) {
      memory.collectGarbage?.();
      await nextTurn();
    }
    assert.ok(memory.usedBytes() - before < 50 * MIB);
    assert.ok(memory.totalBytes() > 0);
  });
});
