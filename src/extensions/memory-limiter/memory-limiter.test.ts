// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { memoryLimiterSchema } from '../../config/sections/memory-limiter.ts';
import type { Memory } from '../../internal/memory-gate/memory.ts';
import { testComponentContract } from '../../internal/testing/component-contract.ts';
import { FakeClock } from '../../internal/testing/fake-clock.ts';
import { never, testHost, testSettings } from '../../internal/testing/settings.ts';
import { MemoryLimiterExtension } from './extension.ts';
import { memoryLimiterExtensionFactory } from './factory.ts';

testComponentContract(memoryLimiterExtensionFactory, { check_interval: '1s', limit_percentage: 90 });

const MIB = 1024 * 1024;

it('lets nothing in from the soft limit on, counts what it refuses, and says how long to wait', async () => {
  let usedMib = 10;
  const memory: Memory = {
    totalBytes: () => 1_000 * MIB,
    usedBytes: () => usedMib * MIB,
    collectGarbage: () => undefined,
  };
  const clock = new FakeClock();
  const settings = testSettings('memory_limiter');
  const host = testHost();
  const config = memoryLimiterSchema.parse({
    check_interval: '2s',
    limit_percentage: 10,
    spike_limit_percentage: 2,
  });
  const extension = new MemoryLimiterExtension(settings, config, memory, clock);
  await extension.start(host, never());
  assert.equal(extension.refuse(), undefined);
  usedMib = 80;
  await clock.advance(2_000);
  assert.equal(extension.refuse()?.retryAfterMs, 2_000);
  assert.equal(extension.refuse()?.message, 'data refused due to high memory usage');
  usedMib = 79;
  await clock.advance(2_000);
  assert.equal(extension.refuse(), undefined);
  assert.equal(settings.meter.value('extension_memory_limiter_refused_requests'), 2);
  assert.equal(settings.meter.value('extension_memory_limiter_soft_limit_bytes'), 80 * MIB);
  assert.deepEqual(
    host.events.map(({ status }) => status),
    ['recoverable_error', 'ok'],
  );
  await extension.shutdown(never());
  assert.deepEqual(clock.pending, []);
});
