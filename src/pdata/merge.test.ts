// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { intValue, stringValue, valueToText } from './any-value.ts';
import { DictionaryBuilder } from './dictionary-builder.ts';
import { batchFromFolded, toFolded } from './folded.ts';
import { filterSamples, mergeBatches, splitBatch } from './merge.ts';
import { profile, ProfilesBatch, resource, weightOf } from './profiles-batch.ts';
import { SamplesBuilder } from './remap.ts';
import { listAt } from './tables.ts';

const lines = (batch: ProfilesBatch): string[] => toFolded(batch).split('\n').sort();

/** A batch that uses every table: mapping, link, attributes with units, lines with columns. */
function richBatch(): ProfilesBatch {
  const b = new DictionaryBuilder();
  const buildId = b.attributeOf('process.executable.build_id.gnu', stringValue('ab'));
  const frameType = b.attributeOf('profile.frame.type', stringValue('native'));
  const size = b.attributeOf('size', intValue(2n ** 62n), 'By');
  const mapping = b.mapping(0x1000n, 2n ** 63n, 0x10n, b.string('libc.so.6'), [buildId]);
  const inlined = b.function(b.string('inner'), b.string('_inner'), b.string('a.c'), 7n);
  const outer = b.function(b.string('outer'), 0, b.string('a.c'), 1n);
  const location = b.location(
    mapping,
    0xffff_ffff_8123_4567n,
    [frameType],
    [
      { function: inlined, line: 9n, column: 3n },
      { function: outer, line: 2n, column: 0n },
    ],
  );
  const link = b.link(new Uint8Array(16).fill(1), new Uint8Array(8).fill(2));
  const samples = new SamplesBuilder();
  samples.add(b.stack([location]), link, [size], [-5n], []);
  samples.add(b.stack([location, b.location(mapping, 1n, [], [])]), 0, [], [7n], []);
  const type = { type: b.string('alloc'), unit: b.string('bytes') };
  const scope = { name: 's', version: '1', attributes: [], droppedAttributesCount: 0 };
  const made = profile({ sampleType: type, samples: samples.build(), attributes: Int32Array.of(size) });
  return new ProfilesBatch(b.build(), [
    {
      resource: resource([{ key: 'k', value: stringValue('v') }]),
      schemaUrl: 'u',
      scopes: [{ scope, schemaUrl: '', profiles: [made] }],
    },
  ]);
}

describe('merging batches', () => {
  it('keeps every sample and stores equal rows once', () => {
    const a = batchFromFolded('main;x 1\nmain;y 2');
    const b = batchFromFolded('main;x 3\nmain;z 4');
    const merged = mergeBatches([a, b]);
    assert.deepEqual(lines(merged), ['main;x 1', 'main;x 3', 'main;y 2', 'main;z 4']);
    const { strings, functions, stacks } = merged.dictionary.tables;
    assert.equal(functions.length, 5);
    assert.equal(stacks.length, 4);
    const all = Array.from({ length: strings.length }, (_, i) => merged.dictionary.text(i));
    assert.equal(new Set(all).size, all.length);
  });

  it('carries every field of every table', () => {
    const rich = richBatch();
    const merged = mergeBatches([batchFromFolded('other 1'), rich]);
    const p = merged.resources[1]?.scopes[0]?.profiles[0];
    assert.ok(p !== undefined);
    const { stacks, locations, mappings, functions, links } = merged.dictionary.tables;
    assert.equal(weightOf(p.samples, 0), -5n);
    const [location = 0] = listAt(stacks.locations, p.samples.stack[0] ?? 0);
    assert.equal(locations.address[location], 0xffff_ffff_8123_4567n);
    const first = locations.lineStart[location] ?? 0;
    assert.deepEqual([locations.lineLine[first], locations.lineColumn[first]], [9n, 3n]);
    assert.equal(functions.startLine[locations.lineFunction[first] ?? 0], 7n);
    assert.equal(mappings.memoryLimit[locations.mapping[location] ?? 0], 2n ** 63n);
    assert.equal(links.spanIds[(p.samples.link[0] ?? 0) * 8], 2);
    const [size = 0] = listAt(p.samples.attributes, 0);
    assert.equal(valueToText(merged.dictionary.attributeValue(size)), (2n ** 62n).toString());
    assert.equal(merged.dictionary.text(merged.dictionary.tables.attributes.unit[size] ?? 0), 'By');
  });
});

describe('splitting a batch', () => {
  it('gives parts of at most the asked size that together are the whole', () => {
    const text = Array.from({ length: 25 }, (_, i) => `main;f${i} ${i + 1}`).join('\n');
    const whole = mergeBatches([batchFromFolded(text), batchFromFolded('solo 9')]);
    const parts = splitBatch(whole, 10);
    assert.deepEqual(
      parts.map((p) => p.sampleCount),
      [10, 10, 6],
    );
    assert.deepEqual(parts.flatMap(lines).sort(), lines(whole));
  });

  it('leaves behind rows that a part does not use', () => {
    const whole = batchFromFolded('main;a 1\nmain;b 1');
    const [first] = splitBatch(whole, 1);
    assert.ok(first !== undefined);
    const texts = Array.from({ length: first.dictionary.tables.strings.length }, (_, i) =>
      first.dictionary.text(i),
    );
    assert.ok(texts.includes('a') && !texts.includes('b'));
  });

  it('gives the same batch back where it fits', () => {
    const whole = batchFromFolded('main 1');
    assert.equal(splitBatch(whole, 1)[0], whole);
  });
});

describe('filtering samples', () => {
  it('keeps what is asked for and drops what becomes empty', () => {
    const whole = mergeBatches([batchFromFolded('a 1\nb 2'), batchFromFolded('c 3')]);
    const kept = filterSamples(whole, ({ resource: r, sample }) => r === whole.resources[0] && sample === 1);
    assert.equal(toFolded(kept), 'b 2');
    assert.equal(kept.resources.length, 1);
  });
});
