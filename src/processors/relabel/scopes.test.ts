// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { testProcessorContract } from '../../internal/testing/component-contract.ts';
import { RecordingConsumer } from '../../internal/testing/recording-consumer.ts';
import { never, testHost, testSettings } from '../../internal/testing/settings.ts';
import { intValue, stringValue, valueToText } from '../../pdata/any-value.ts';
import { DictionaryBuilder } from '../../pdata/dictionary-builder.ts';
import { dumpBatch } from '../../pdata/dump.ts';
import { batchFromFolded, toFolded } from '../../pdata/folded.ts';
import { profile, ProfilesBatch, resource, weightOf } from '../../pdata/profiles-batch.ts';
import { SamplesBuilder } from '../../pdata/samples.ts';
import { listAt } from '../../pdata/tables.ts';
import { configSchema } from './config.ts';
import { relabelProcessorFactory } from './factory.ts';

const ANY_FRAME = { source_labels: ['function'], regex: 'no such function', action: 'drop' };

testProcessorContract(relabelProcessorFactory, {
  scope: 'sample',
  rules: [{ target_label: 'a', replacement: 'b' }],
});
testProcessorContract(relabelProcessorFactory, { scope: 'frame', rules: [ANY_FRAME] });

async function run(config: unknown, batch: ProfilesBatch) {
  const next = new RecordingConsumer();
  const settings = testSettings('relabel');
  const processor = relabelProcessorFactory.create(settings, configSchema.parse(config), next);
  await processor.start(testHost(), never());
  await processor.consumeProfiles(batch, never());
  const [out] = next.batches;
  return { out, settings };
}

const weightsOf = (batch: ProfilesBatch | undefined): bigint[] =>
  [...(batch?.profiles() ?? [])].map(({ profile: { samples } }) => {
    let sum = 0n;
    for (let i = 0; i < samples.length; i++) sum += weightOf(samples, i);
    return sum;
  });

/** A sample for each list of attributes; the i-th weighs i + 1. */
function samplesWith(...lists: readonly Readonly<Record<string, string | number>>[]): ProfilesBatch {
  const b = new DictionaryBuilder();
  const main = b.location(
    0,
    0n,
    [],
    [{ function: b.function(b.string('main'), 0, 0, 0n), line: 0n, column: 0n }],
  );
  const samples = new SamplesBuilder();
  for (const [i, list] of lists.entries()) {
    const rows = Object.entries(list).map(([key, value]) =>
      b.attributeOf(key, typeof value === 'number' ? intValue(value) : stringValue(value)),
    );
    samples.add(b.stack([main]), 0, rows, [BigInt(i + 1)], []);
  }
  const made = profile({
    sampleType: { type: b.string('samples'), unit: b.string('count') },
    samples: samples.build(),
  });
  const scope = { name: '', version: '', attributes: [], droppedAttributesCount: 0 };
  return new ProfilesBatch(b.build(), [
    { resource: resource([]), schemaUrl: '', scopes: [{ scope, schemaUrl: '', profiles: [made] }] },
  ]);
}

/** Each sample as its attributes and its weight. */
function samplesOf(batch: ProfilesBatch | undefined): string[] {
  return [...(batch?.profiles() ?? [])].flatMap(({ profile: { samples } }) =>
    Array.from({ length: samples.length }, (_, i) => {
      const attributes = Array.from(listAt(samples.attributes, i), (row) => {
        const value = batch?.dictionary.attributeValue(row) ?? stringValue('');
        return `${batch?.dictionary.attributeKey(row)}=${valueToText(value)}:${value.kind}`;
      });
      return `${attributes.join(' ')} ${weightOf(samples, i)}`;
    }),
  );
}

describe('rules on samples', () => {
  it('make samples one that have become alike, and keep what stays as it is', async () => {
    const batch = samplesWith(
      { 'thread.id': 1, cpu: 3 },
      { 'thread.id': 2, cpu: 3 },
      { 'thread.id': 3, cpu: 4 },
    );
    const { out } = await run(
      { scope: 'sample', rules: [{ action: 'labeldrop', regex: 'thread\\.id' }] },
      batch,
    );
    assert.deepEqual(samplesOf(out), ['cpu=3:int 3', 'cpu=4:int 3']);
  });

  it('write texts, also on samples without attributes, and take temporary labels away', async () => {
    const rules = [
      { source_labels: ['path'], regex: '/api/([^/]+)/.*', target_label: '__tmp' },
      { source_labels: ['__tmp'], regex: '(.+)', target_label: 'route' },
      { action: 'labeldrop', regex: 'path' },
      { target_label: 'seen', replacement: 'yes' },
    ];
    const { out } = await run({ scope: 'sample', rules }, samplesWith({ path: '/api/cart/7' }, {}));
    assert.deepEqual(samplesOf(out), ['route=cart:string seen=yes:string 1', 'seen=yes:string 2']);
    assert.ok(
      !dumpBatch(out ?? samplesWith()).includes('/api/cart/7'),
      'nothing of the old value travels on',
    );
  });

  it('drop samples, and count them by rule', async () => {
    const rules = [
      { source_labels: ['kind'], regex: 'idle', action: 'drop' },
      { source_labels: ['kind'], regex: 'busy', action: 'keep' },
    ];
    const batch = samplesWith({ kind: 'idle' }, { kind: 'idle' }, { kind: 'busy' }, {});
    const { out, settings } = await run({ scope: 'sample', rules }, batch);
    assert.deepEqual(samplesOf(out), ['kind=busy:string 3']);
    const dropped = (rule: string): number =>
      settings.meter.value('processor_relabel_dropped_samples', { rule });
    assert.deepEqual([dropped('0'), dropped('1')], [2, 1]);
    const none = await run({ scope: 'sample', rules }, samplesWith({ kind: 'idle' }));
    assert.equal(none.out, undefined);
  });

  it('pass a batch on as it is where they change nothing', async () => {
    const batch = samplesWith({ a: 'b' });
    const { out } = await run(
      { scope: 'sample', rules: [{ source_labels: ['no'], regex: '(.+)', target_label: 'x' }] },
      batch,
    );
    assert.equal(out, batch);
  });
});

describe('rules on frames', () => {
  it('rename functions, and samples whose stacks have become alike are one', async () => {
    const batch = batchFromFolded('main;handler.func1;malloc 3\nmain;handler.func2;malloc 4\nmain 1');
    const rules = [{ source_labels: ['function'], regex: '(.+)\\.func\\d+', target_label: 'function' }];
    const { out } = await run({ scope: 'frame', rules }, batch);
    assert.equal(toFolded(out ?? batch), 'main 1\nmain;handler;malloc 7');
    assert.equal(out?.sampleCount, 2);
    assert.ok(!dumpBatch(out).includes('func1'), 'nothing of the old name travels on');
  });

  it('take frames out of stacks whose samples keep their weight, and count them', async () => {
    const batch = batchFromFolded('runtime.main;main;runtime.mallocgc 3\nruntime.gc 4\nmain 1');
    const rules = [{ source_labels: ['function'], regex: 'runtime\\..*', action: 'drop' }];
    const { out, settings } = await run({ scope: 'frame', rules }, batch);
    assert.equal(toFolded(out ?? batch), ' 4\nmain 4');
    assert.deepEqual(weightsOf(out), [8n]);
    assert.equal(settings.meter.value('processor_relabel_dropped_frames', { rule: '0' }), 3);
  });

  it('see files, linker names, mappings and types, and write them', async () => {
    const b = new DictionaryBuilder();
    const type = (name: string): number => b.attributeOf('profile.frame.type', stringValue(name));
    const mapping = b.mapping(1n, 9n, 0n, b.string('/home/me/app'), []);
    const fn = b.function(b.string('f'), b.string('_Zf'), b.string('/home/me/src/f.cc'), 7n);
    const inlined = b.function(b.string('g'), 0, b.string('/usr/include/g.h'), 0n);
    const lines = [inlined, fn].map((row) => ({ function: row, line: 3n, column: 0n }));
    const stack = b.stack([
      b.location(mapping, 5n, [type('native')], lines),
      b.location(mapping, 6n, [], []),
    ]);
    const samples = new SamplesBuilder();
    samples.add(stack, 0, [], [2n], []);
    const made = profile({
      sampleType: { type: b.string('cpu'), unit: b.string('ns') },
      samples: samples.build(),
    });
    const scope = { name: '', version: '', attributes: [], droppedAttributesCount: 0 };
    const batch = new ProfilesBatch(b.build(), [
      { resource: resource([]), schemaUrl: '', scopes: [{ scope, schemaUrl: '', profiles: [made] }] },
    ]);
    const rules = [
      { source_labels: ['file'], regex: '/usr/include/.*', action: 'drop' },
      { source_labels: ['file'], regex: '/home/[^/]+/(.*)', target_label: 'file' },
      { source_labels: ['mapping'], regex: '.*/([^/]+)', target_label: 'mapping' },
      {
        source_labels: ['system_function', 'type'],
        regex: '_Z(.*);(.*)',
        target_label: 'function',
        replacement: '$2:$1',
      },
      {
        source_labels: ['function', 'mapping'],
        regex: ';(.+)',
        target_label: 'function',
        replacement: '[$1]',
      },
      { action: 'labeldrop', regex: 'system_function|type' },
    ];
    const { out } = await run({ scope: 'frame', rules }, batch);
    const dump = dumpBatch(out ?? batch);
    assert.equal(toFolded(out ?? batch), '[app];native:f 2');
    for (const gone of ['/home/me', '_Zf', 'profile.frame.type', 'g.h'])
      assert.ok(!dump.includes(gone), gone);
    assert.ok(dump.includes('src/f.cc'));
    assert.deepEqual(out?.dictionary.tables.functions.startLine.includes(7n), true);
  });

  it('give a frame without a function one, and not the line of another', async () => {
    const b = new DictionaryBuilder();
    const mapping = b.mapping(1n, 9n, 0n, b.string('libc.so'), []);
    const main = b.function(b.string('main'), 0, 0, 0n);
    const nameless = b.location(mapping, 5n, [], []);
    const named = b.location(0, 0n, [], [{ function: main, line: 77n, column: 3n }]);
    const samples = new SamplesBuilder();
    samples.add(b.stack([nameless, named]), 0, [], [1n], []);
    const scope = { name: '', version: '', attributes: [], droppedAttributesCount: 0 };
    const sampleType = { type: b.string('cpu'), unit: b.string('ns') };
    const profiles = [profile({ sampleType, samples: samples.build() })];
    const batch = new ProfilesBatch(b.build(), [
      { resource: resource([]), schemaUrl: '', scopes: [{ scope, schemaUrl: '', profiles }] },
    ]);
    const rules = [{ source_labels: ['mapping'], regex: '(.+)', target_label: 'function' }];
    const { out } = await run({ scope: 'frame', rules }, batch);
    assert.equal(toFolded(out ?? batch), 'main;libc.so 1');
    const { lineLine, lineColumn } = out?.dictionary.tables.locations ?? {};
    assert.deepEqual(
      [lineLine, lineColumn].map((column) => [...(column ?? [])].toSorted((a, b) => Number(a - b))),
      [
        [0n, 77n],
        [0n, 3n],
      ],
    );
  });

  it('keep the weight of every profile, whatever they do', async () => {
    const name = fc.constantFrom('main', 'a.b', 'a.c', 'x', 'y');
    const line = fc.tuple(fc.array(name, { minLength: 1, maxLength: 4 }), fc.integer({ min: 1, max: 9 }));
    const rule = fc.constantFrom(
      { source_labels: ['function'], regex: 'a\\..*', action: 'drop' },
      { source_labels: ['function'], regex: 'main|x', action: 'keep' },
      { source_labels: ['function'], regex: 'a\\.(.*)', target_label: 'function' },
      { action: 'labeldrop', regex: 'function' },
      { source_labels: ['function'], target_label: 'mapping' },
      { source_labels: ['function'], regex: 'y', target_label: 'type', replacement: 'native' },
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(line, { minLength: 1, maxLength: 6 }),
        fc.array(rule, { minLength: 1, maxLength: 3 }),
        async (lines, rules) => {
          const batch = batchFromFolded(lines.map(([stack, n]) => `${stack.join(';')} ${n}`).join('\n'));
          const { out } = await run({ scope: 'frame', rules }, batch);
          assert.deepEqual(weightsOf(out), weightsOf(batch));
        },
      ),
      { numRuns: 60 },
    );
  });

  it('pass a batch on as it is where they change nothing', async () => {
    const batch = batchFromFolded('main;a 1');
    const { out } = await run({ scope: 'frame', rules: [ANY_FRAME] }, batch);
    assert.equal(out, batch);
  });
});

describe('rules on resources', () => {
  it('leave the labels that say what a series is', async () => {
    const attributes = { __name__: 'mutex', __delta__: 'false', __session_id__: 'x', __meta_a: 'y', a: 'b' };
    const { out } = await run(
      { rules: [{ target_label: 'c', replacement: 'd' }] },
      batchFromFolded('a 1', { attributes }),
    );
    assert.deepEqual(
      out?.resources[0]?.resource.attributes.map(({ key }) => key),
      ['__name__', '__delta__', '__session_id__', 'a', 'c'],
    );
  });
});
