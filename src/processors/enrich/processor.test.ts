// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, describe, it } from 'node:test';
import { testComponentContract, testProcessorContract } from '../../internal/testing/component-contract.ts';
import { FakeClock } from '../../internal/testing/fake-clock.ts';
import { RecordingConsumer } from '../../internal/testing/recording-consumer.ts';
import { never, testHost, testSettings } from '../../internal/testing/settings.ts';
import { stringValue, valueToText } from '../../pdata/any-value.ts';
import { batchFromFolded } from '../../pdata/folded.ts';
import { mergeBatches } from '../../pdata/merge.ts';
import type { ProfilesBatch } from '../../pdata/profiles-batch.ts';
import { configSchema } from './config.ts';
import { enrichProcessorFactory } from './factory.ts';
import { createEnrichProcessor } from './processor.ts';

const TARGETS = [
  { container_id: 'c1', pod: 'shop-1', __meta_x: 'secret', service_name: 'shop' },
  { container_id: 'c2', pod: 'cart-1' },
];
const STATIC = { targets: TARGETS, target_match_label: 'container_id', profiles_match_label: 'container.id' };

testComponentContract(enrichProcessorFactory, STATIC);
testProcessorContract(enrichProcessorFactory, STATIC);

const batchOf = (attributes: Record<string, string>): ProfilesBatch =>
  batchFromFolded('main;a 1\nmain;b 1', { attributes });

async function started(config: object, clock = new FakeClock()) {
  const next = new RecordingConsumer();
  const settings = testSettings('enrich');
  const processor = createEnrichProcessor(settings, configSchema.parse(config), next, clock);
  await processor.start(testHost(), never());
  const seen = (): Record<string, string>[] =>
    next.batches
      .flatMap((b) => b.resources)
      .map(({ resource: { attributes } }) =>
        Object.fromEntries(attributes.map(({ key, value }) => [key, valueToText(value)])),
      );
  const samples = (outcome: string): number => settings.meter.value('processor_enrich_samples', { outcome });
  return { next, settings, processor, seen, samples, clock };
}

async function run(config: object, ...batches: ProfilesBatch[]) {
  const made = await started(config);
  for (const batch of batches) await made.processor.consumeProfiles(batch, never());
  await made.processor.shutdown(never());
  return made;
}

describe('profiles with a target', () => {
  it('get its labels but for private ones, over their own, and service_name as service.name', async () => {
    const own = batchOf({ 'service.name': 'unknown', 'container.id': 'c1', z: 'z' });
    const { seen, samples } = await run(STATIC, own);
    assert.deepEqual(seen(), [
      { 'service.name': 'shop', 'container.id': 'c1', z: 'z', container_id: 'c1', pod: 'shop-1' },
    ]);
    assert.equal(samples('enriched'), 2);
  });

  it('get those labels that are named, private ones too', async () => {
    const { seen } = await run(
      { ...STATIC, labels_to_copy: ['pod', '__meta_x', 'absent'] },
      batchOf({ 'container.id': 'c1' }),
    );
    assert.deepEqual(seen(), [{ 'container.id': 'c1', pod: 'shop-1', __meta_x: 'secret' }]);
  });

  it('are found by service_name, which is an attribute of another name', async () => {
    const config = { targets: TARGETS, target_match_label: 'service_name', labels_to_copy: ['pod'] };
    const { seen } = await run(config, batchOf({ 'service.name': 'shop' }));
    assert.deepEqual(seen(), [{ 'service.name': 'shop', pod: 'shop-1' }]);
  });

  it('are joined after the rules of the discovery', async () => {
    const relabel_configs = [
      { source_labels: ['pod'], regex: '(.*)-.*', target_label: 'app' },
      { source_labels: ['pod'], regex: 'cart.*', action: 'drop' },
    ];
    const config = { ...STATIC, relabel_configs, labels_to_copy: ['app'] };
    const { seen } = await run(config, batchOf({ 'container.id': 'c1' }), batchOf({ 'container.id': 'c2' }));
    assert.deepEqual(seen(), [{ 'container.id': 'c1', app: 'shop' }, { 'container.id': 'c2' }]);
  });

  it('get those of the last of several, and it is said that there are several', async () => {
    const targets = [...TARGETS, { container_id: 'c1', pod: 'shop-2' }];
    const { seen, settings } = await run({ ...STATIC, targets }, batchOf({ 'container.id': 'c1' }));
    assert.equal(seen()[0]?.['pod'], 'shop-2');
    assert.equal(settings.meter.value('processor_enrich_ambiguous_targets'), 1);
    assert.equal(settings.meter.value('processor_enrich_targets'), 2);
  });
});

describe('profiles without a target', () => {
  it('pass as they are, counted by reason', async () => {
    const strange = batchOf({ 'container.id': 'c9' });
    const { next, samples } = await run(STATIC, strange, batchOf({ host: 'a' }));
    assert.equal(next.batches[0], strange);
    assert.deepEqual([samples('no_match'), samples('no_label'), samples('enriched')], [2, 2, 0]);
  });
});

/** A list of targets over HTTP that a test changes, or keeps back. */
class TargetsServer {
  readonly server: Server;
  targets: readonly Record<string, string>[] = [];
  requests = 0;
  #held: (() => void)[] | undefined;

  constructor() {
    this.server = createServer((_request, response) => {
      this.requests++;
      const body = this.targets.map((labels) => ({ targets: ['x:1'], labels }));
      const answer = (): void =>
        void response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body));
      if (this.#held === undefined) answer();
      else this.#held.push(answer);
    });
  }

  async config(): Promise<object> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    after(() => this.server.close());
    const url = `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
    return {
      http_sd_configs: [{ url, refresh_interval: '30s' }],
      target_match_label: 'container_id',
      profiles_match_label: 'container.id',
      labels_to_copy: ['pod'],
    };
  }

  hold(): void {
    this.#held = [];
  }

  release(): void {
    for (const answer of this.#held?.splice(0) ?? []) answer();
    this.#held = undefined;
  }
}

async function until(
  holds: () => boolean,
  between: () => Promise<void> = async () => undefined,
): Promise<void> {
  while (!holds()) {
    await between();
    await new Promise((resolve) => setImmediate(resolve));
  }
}

describe('profiles that come before the targets', () => {
  it('wait for them', async () => {
    const source = new TargetsServer();
    source.targets = [{ container_id: 'c1', pod: 'shop-1' }];
    source.hold();
    const { processor, seen, settings } = await started(await source.config());
    const taken = processor.consumeProfiles(batchOf({ 'container.id': 'c1' }), never());
    await until(() => source.requests === 1 && settings.meter.value('processor_enrich_held_batches') === 1);
    assert.ok(settings.meter.value('processor_enrich_held_bytes') > 0);
    assert.deepEqual(seen(), []);
    source.release();
    await taken;
    assert.deepEqual(seen(), [{ 'container.id': 'c1', pod: 'shop-1' }]);
    assert.equal(settings.meter.value('processor_enrich_held_bytes'), 0);
    await processor.shutdown(never());
  });

  it('wait no longer than ready_timeout, and not beyond the bound on memory', async () => {
    const source = new TargetsServer();
    source.hold();
    const { processor, seen, clock, settings } = await started({
      ...(await source.config()),
      max_held_mib: 1,
    });
    const large = batchOf({ 'container.id': 'large' }).mapResources((rp) => ({
      ...rp,
      scopes: rp.scopes,
      resource: {
        ...rp.resource,
        attributes: Array.from({ length: 5_000 }, (_, i) => ({ key: `k${i}`, value: stringValue('') })),
      },
    }));
    await processor.consumeProfiles(large, never());
    const unwaited = (reason: string): number =>
      settings.meter.value('processor_enrich_unwaited_samples', { reason });
    assert.equal(unwaited('not_ready_full'), 2);
    const taken = processor.consumeProfiles(batchOf({ 'container.id': 'c1' }), never());
    await until(() => settings.meter.value('processor_enrich_held_batches') === 1);
    await clock.advance(10_000);
    await taken;
    assert.equal(unwaited('not_ready_timeout'), 2);
    assert.equal(seen().length, 2);
    source.release();
    await processor.shutdown(never());
  });

  it('go on at a shutdown, and one whose sender gives up does not', async () => {
    const source = new TargetsServer();
    source.hold();
    const { processor, seen, settings } = await started(await source.config());
    const sender = new AbortController();
    const kept = processor.consumeProfiles(batchOf({ 'container.id': 'kept' }), never());
    const left = processor.consumeProfiles(batchOf({ 'container.id': 'left' }), sender.signal);
    await until(() => settings.meter.value('processor_enrich_held_batches') === 2);
    sender.abort(new Error('gone'));
    await assert.rejects(left, { message: 'gone' });
    source.release();
    await processor.shutdown(never());
    await kept;
    assert.deepEqual(seen(), [{ 'container.id': 'kept' }]);
    await assert.rejects(processor.consumeProfiles(batchOf({}), never()), { name: 'RetryableError' });
  });
});

describe('profiles of what is not discovered yet', () => {
  it('wait for their target alone, while the others of the batch go on', async () => {
    const source = new TargetsServer();
    source.targets = [{ container_id: 'c1', pod: 'shop-1' }];
    const { processor, seen, samples, clock, settings } = await started({
      ...(await source.config()),
      wait_for_match: '60s',
    });
    await until(() => settings.meter.value('processor_enrich_targets') === 1);
    const batch = mergeBatches([batchOf({ 'container.id': 'c1' }), batchOf({ 'container.id': 'c2' })]);
    const taken = processor.consumeProfiles(batch, never());
    await until(() => seen().length === 1);
    assert.deepEqual(seen(), [{ 'container.id': 'c1', pod: 'shop-1' }]);
    source.targets = [...source.targets, { container_id: 'c2', pod: 'new-1' }];
    await until(
      () => settings.meter.value('processor_enrich_targets') === 2,
      () => clock.advance(1_000),
    );
    await taken;
    assert.deepEqual(seen()[1], { 'container.id': 'c2', pod: 'new-1' });
    assert.deepEqual([samples('enriched'), samples('enriched_late')], [2, 2]);
    await processor.shutdown(never());
  });

  it('go on without one after wait_for_match', async () => {
    const { processor, seen, samples, clock, settings } = await started({ ...STATIC, wait_for_match: '20s' });
    await until(() => settings.meter.value('processor_enrich_targets') === 2);
    const taken = processor.consumeProfiles(batchOf({ 'container.id': 'c9' }), never());
    await until(() => settings.meter.value('processor_enrich_held_batches') === 1);
    await clock.advance(20_000);
    await taken;
    assert.deepEqual(seen(), [{ 'container.id': 'c9' }]);
    assert.equal(samples('no_match'), 2);
    assert.equal(
      settings.meter.value('processor_enrich_unwaited_samples', { reason: 'no_match_timeout' }),
      2,
    );
    await processor.shutdown(never());
  });
});
