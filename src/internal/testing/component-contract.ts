// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import type { Component } from '../../component/component.ts';
import type { AnyFactory, ConnectorFactory, ProcessorFactory } from '../../component/factory.ts';
import { PermanentError, RetryableError, isPermanent } from '../../consumer/consumer.ts';
import { batchFromFolded } from '../../pdata/folded.ts';
import type { ProfilesBatch } from '../../pdata/profiles-batch.ts';
import { RecordingConsumer } from './recording-consumer.ts';
import { never, testHost, testSettings } from './settings.ts';

/**
 * The laws of `Component` as tests. `config` is what the user would write under the component's id;
 * servers should listen on port 0.
 */
export function testComponentContract(factory: AnyFactory, config: unknown): void {
  describe(`${factory.kind} "${factory.type}" keeps the component contract`, () => {
    it('shuts down without having been started', async () => {
      await make(factory, config).shutdown(never());
    });

    it('shuts down twice', async () => {
      const component = make(factory, config);
      await component.start(testHost(), never());
      await component.shutdown(never());
      await component.shutdown(never());
    });

    it('frees its sockets and timers when it shuts down', async () => {
      const before = activeResources();
      const component = make(factory, config);
      await component.start(testHost(), never());
      await component.shutdown(never());
      assert.deepEqual(await leftOver(before), []);
    });

    it('can be made and started again after a shutdown', async () => {
      for (let round = 0; round < 2; round++) {
        const component = make(factory, config);
        await component.start(testHost(), never());
        await component.shutdown(never());
      }
    });

    it('shuts down when the deadline is already over', async () => {
      const component = make(factory, config);
      await component.start(testHost(), never());
      await component.shutdown(AbortSignal.abort(new Error('deadline')));
    });
  });
}

/** A batch of the tests: two stacks of one service. */
const sampleBatch = (): ProfilesBatch =>
  batchFromFolded('main;work;malloc 3\nmain;idle 1', { attributes: { 'service.name': 'shop' } });

/** Additional laws of processors that pass on every batch they are given. */
export function testProcessorContract(
  factory: ProcessorFactory<unknown>,
  config: unknown,
  batch: ProfilesBatch = sampleBatch(),
): void {
  testConsumerContract(factory, config, batch);
}

/** Additional laws of connectors: the same. */
export function testConnectorContract(factory: ConnectorFactory<unknown>, config: unknown): void {
  testConsumerContract(factory, config, sampleBatch());
}

function testConsumerContract(
  factory: ProcessorFactory<unknown> | ConnectorFactory<unknown>,
  config: unknown,
  batch: ProfilesBatch,
): void {
  testComponentContract(factory, config);
  const before = structuredClone({ tables: batch.dictionary.tables, resources: batch.resources });

  describe(`${factory.kind} "${factory.type}" keeps the ${factory.kind} contract`, () => {
    const started = async (next: RecordingConsumer) => {
      const processor = factory.create(testSettings(factory.type), factory.schema.parse(config), next);
      await processor.start(testHost(), never());
      return processor;
    };

    it('resolves only after the next consumer took every sample', async () => {
      const next = new RecordingConsumer();
      const processor = await started(next);
      await processor.consumeProfiles(batch, never());
      assert.equal(next.sampleCount, batch.sampleCount);
      await processor.shutdown(never());
    });

    it('hands errors of the next consumer back with their kind', async () => {
      for (const error of [new PermanentError('bad data'), new RetryableError('busy', { retryAfterMs: 5 })]) {
        const next = new RecordingConsumer();
        next.failWith(error);
        const processor = await started(next);
        await assert.rejects(processor.consumeProfiles(batch, never()), (got: unknown) => {
          assert.equal(isPermanent(got), isPermanent(error));
          return true;
        });
        await processor.shutdown(never());
      }
    });

    it('does not change the batch it was given', async () => {
      const next = new RecordingConsumer();
      const processor = await started(next);
      await processor.consumeProfiles(batch, never());
      assert.deepEqual({ tables: batch.dictionary.tables, resources: batch.resources }, before);
      await processor.shutdown(never());
    });
  });
}

/** Makes the component from what the user would write. */
function make(factory: AnyFactory, config: unknown): Component {
  const settings = testSettings(factory.type);
  const parsed = factory.schema.parse(config);
  if (factory.kind === 'exporter' || factory.kind === 'extension') return factory.create(settings, parsed);
  return factory.create(settings, parsed, new RecordingConsumer());
}

const SETTLE_MS = 2_000;

function activeResources(): string[] {
  return process.getActiveResourcesInfo().filter((kind) => kind !== 'Immediate');
}

/** What is alive now beyond `before`, once the event loop had time to close handles. */
async function leftOver(before: readonly string[]): Promise<string[]> {
  const giveUpMs = performance.now() + SETTLE_MS;
  for (;;) {
    const extra = activeResources();
    for (const kind of before) {
      const at = extra.indexOf(kind);
      if (at >= 0) extra.splice(at, 1);
    }
    if (extra.length === 0 || performance.now() > giveUpMs) return extra;
    await turn();
  }
}
