// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { testProcessorContract } from '../../internal/testing/component-contract.ts';
import { RecordingConsumer } from '../../internal/testing/recording-consumer.ts';
import { never, testHost, testSettings } from '../../internal/testing/settings.ts';
import { type AnyValue, intValue, stringValue, valueToText } from '../../pdata/any-value.ts';
import { batchFromFolded } from '../../pdata/folded.ts';
import { mergeBatches } from '../../pdata/merge.ts';
import type { ProfilesBatch } from '../../pdata/profiles-batch.ts';
import { configSchema } from './config.ts';
import { relabelProcessorFactory } from './factory.ts';

const SERVICE_NAME = {
  rules: [
    {
      source_labels: ['service.name', 'process.executable.name'],
      regex: ';(.+)',
      target_label: 'service.name',
    },
  ],
};

testProcessorContract(relabelProcessorFactory, SERVICE_NAME);

/** One resource a line of attributes; each has three samples. */
function batchOf(...resources: Record<string, string | AnyValue>[]): ProfilesBatch {
  const batches = resources.map((attributes) => {
    const batch = batchFromFolded('main;a 1\nmain;b 1\nmain;c 1');
    return batch.mapResources((r) => ({
      ...r,
      scopes: r.scopes,
      resource: {
        ...r.resource,
        attributes: Object.entries(attributes).map(([key, value]) => ({
          key,
          value: typeof value === 'string' ? stringValue(value) : value,
        })),
      },
    }));
  });
  return mergeBatches(batches);
}

async function run(config: unknown, ...batches: ProfilesBatch[]) {
  const next = new RecordingConsumer();
  const settings = testSettings('relabel');
  const processor = relabelProcessorFactory.create(settings, configSchema.parse(config), next);
  await processor.start(testHost(), never());
  for (const batch of batches) await processor.consumeProfiles(batch, never());
  const resources = next.batches.flatMap((b) => b.resources.map((r) => r.resource.attributes));
  const texts = resources.map((a) =>
    Object.fromEntries(a.map(({ key, value }) => [key, valueToText(value)])),
  );
  return { next, settings, resources, texts };
}

test('a resource without service.name gets the name of its executable', async () => {
  const { texts } = await run(
    SERVICE_NAME,
    batchOf(
      { 'process.executable.name': 'nginx' },
      { 'service.name': 'shop', 'process.executable.name': 'node' },
    ),
  );
  assert.deepEqual(texts, [
    { 'process.executable.name': 'nginx', 'service.name': 'nginx' },
    { 'service.name': 'shop', 'process.executable.name': 'node' },
  ]);
});

test('attributes that no rule changes keep value and type, and a batch without change is the same batch', async () => {
  const batch = batchOf({ 'process.pid': intValue(7), 'service.name': 'shop' });
  const { next, resources } = await run(SERVICE_NAME, batch);
  assert.equal(next.batches[0], batch);
  assert.deepEqual(resources[0]?.[0]?.value, intValue(7));
});

test('a changed attribute becomes text and stays in its place', async () => {
  const rules = [{ source_labels: ['process.pid'], target_label: 'process.pid', replacement: 'pid-$1' }];
  const { resources } = await run({ rules }, batchOf({ 'process.pid': intValue(7), z: 'z' }));
  assert.deepEqual(resources[0], [
    { key: 'process.pid', value: stringValue('pid-7') },
    { key: 'z', value: stringValue('z') },
  ]);
});

test('an attribute with an empty value is left alone', async () => {
  const rules = [{ target_label: 'x', replacement: 'y' }];
  const { texts } = await run({ rules }, batchOf({ empty: '' }));
  assert.deepEqual(texts, [{ empty: '', x: 'y' }]);
});

test('labels with two leading underscores are temporary', async () => {
  const rules = [
    { source_labels: ['a'], target_label: '__tmp' },
    { source_labels: ['__tmp'], target_label: 'b' },
  ];
  const { texts } = await run({ rules }, batchOf({ a: '1', __meta: 'x' }));
  assert.deepEqual(texts, [{ a: '1', b: '1' }]);
});

test('dropped samples are counted by rule, with and without the cache', async () => {
  const rules = [
    { source_labels: ['a'], regex: 'x', action: 'drop' },
    { source_labels: ['a'], regex: 'y|z', action: 'keep' },
  ];
  const batch = batchOf({ a: 'x' }, { a: 'y' }, { a: 'w' });
  const { settings, texts } = await run({ rules }, batch, batch);
  assert.deepEqual(texts, [{ a: 'y' }, { a: 'y' }]);
  assert.equal(settings.meter.value('processor_relabel_dropped_samples', { rule: '0' }), 6);
  assert.equal(settings.meter.value('processor_relabel_dropped_samples', { rule: '1' }), 6);
  assert.equal(settings.meter.value('processor_relabel_cache_misses'), 3);
  assert.equal(settings.meter.value('processor_relabel_cache_hits'), 3);
});

test('a batch of which nothing is left is not passed on', async () => {
  const rules = [{ source_labels: ['a'], regex: 'x', action: 'drop' }];
  const { next } = await run({ rules }, batchOf({ a: 'x' }));
  assert.equal(next.offered.length, 0);
});

test('values of other types do not share a remembered result', async () => {
  const rules = [{ target_label: 'new', replacement: '1' }];
  const { resources } = await run({ rules }, batchOf({ a: '7' }), batchOf({ a: intValue(7) }));
  assert.deepEqual(
    resources.map((r) => r[0]?.value.kind),
    ['string', 'int'],
  );
});

test('the cache is bounded', async () => {
  const rules = [{ target_label: 'new', replacement: '1' }];
  const batch = batchOf({ a: '1' }, { a: '2' });
  const { settings } = await run({ rules, max_cache_size: 1 }, batch, batch);
  assert.equal(settings.meter.value('processor_relabel_cache_misses'), 4);
});

const refused: [unknown, RegExp][] = [
  [{}, /expected array/],
  [{ rules: [] }, /must name at least one rule/],
  [{ rules: [{ source_label: ['a'] }] }, /Unrecognized key/],
  [{ rules: [{ action: 'keep', regex: '(' }] }, /missing closing \)/],
  [
    { rules: [{ action: 'labelmap', replacement: null }] },
    /\\"\\" is invalid 'replacement' for labelmap action/,
  ],
  [{ rules: [{ target_label: 'a' }], max_cache_size: 0 }, /Too small/],
];

for (const [config, message] of refused) {
  test(`the configuration ${JSON.stringify(config)} is refused`, () => {
    const result = configSchema.safeParse(config);
    assert.match(result.success ? 'accepted' : result.error.message, message);
  });
}
