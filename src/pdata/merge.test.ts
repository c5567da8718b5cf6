// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { intValue, stringValue, valueToText } from './any-value.ts';
import { DictionaryBuilder } from './dictionary-builder.ts';
import { Dictionary, type DictionaryTables } from './dictionary.ts';
import { batchFromFolded, toFolded } from './folded.ts';
import { dropEmpty, filterProfiles, filterSamples } from './filter.ts';
import { mergeBatches } from './merge.ts';
import {
  profile,
  ProfilesBatch,
  resource,
  weightOf,
  withProfiles,
  withResourceAttributes,
  withScopes,
  withSamples,
} from './profiles-batch.ts';
import { SamplesBuilder } from './samples.ts';
import { splitBatch } from './split.ts';
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

describe('merging under the largest dictionary', () => {
  it('gives the batch itself where there is one, and shares the dictionary that all have', () => {
    const batch = batchFromFolded('a 1');
    assert.equal(mergeBatches([batch]), batch);
    const twice = mergeBatches([batch, batch]);
    assert.equal(twice.dictionary, batch.dictionary);
    assert.deepEqual(lines(twice), ['a 1', 'a 1']);
    assert.equal(mergeBatches([]).sampleCount, 0);
  });

  it('shares the profiles that the largest dictionary belongs to, wherever they stand', () => {
    const [small, large] = [batchFromFolded('a 1'), batchFromFolded('b;c;d;e 2')];
    const merged = mergeBatches([small, large]);
    assert.equal(merged.resources[1], large.resources[0]);
    assert.deepEqual(lines(merged), ['a 1', 'b;c;d;e 2']);
  });

  it('copies a dictionary once that several batches have', () => {
    const small = batchFromFolded('a 1\nb 2');
    const [one, other] = ['x', 'y'].map((name) =>
      small.mapResources((rp) =>
        withResourceAttributes(rp, [{ key: 'service.name', value: stringValue(name) }]),
      ),
    );
    assert.ok(one !== undefined && other !== undefined);
    const merged = mergeBatches([one, batchFromFolded('c;d;e;f 3'), other]);
    assert.deepEqual(lines(merged), ['a 1', 'a 1', 'b 2', 'b 2', 'c;d;e;f 3']);
    assert.equal(merged.dictionary.tables.stacks.length, 4);
  });

  it('keeps unknown fields of requests and of the largest dictionary', () => {
    const of = (text: string, ...unknown: number[]): ProfilesBatch => {
      const { dictionary, resources } = batchFromFolded(text);
      const bytes = Uint8Array.from(unknown);
      return new ProfilesBatch(new Dictionary(dictionary.tables, bytes), resources, bytes);
    };
    const merged = mergeBatches([of('a 1', 0x78, 1), of('b;c 2', 0x78, 2)]);
    assert.deepEqual([...merged.unknown], [0x78, 1, 0x78, 2]);
    assert.deepEqual([...merged.dictionary.unknown], [0x78, 2]);
  });

  it('stores equal rows once even where the largest dictionary does not', () => {
    const doubled = withTables(batchFromFolded('a;b;c;d 1'), ({ functions, ...others }) => ({
      ...others,
      functions: {
        length: functions.length + 1,
        name: Int32Array.of(...functions.name, functions.name[1] ?? 0),
        systemName: Int32Array.of(...functions.systemName, 0),
        filename: Int32Array.of(...functions.filename, 0),
        startLine: BigInt64Array.of(...functions.startLine, 0n),
      },
    }));
    const merged = mergeBatches([doubled, batchFromFolded('d 2')]);
    assert.equal(merged.dictionary.tables.functions.length, 5);
    assert.deepEqual(lines(merged), ['a;b;c;d 1', 'd 2']);
  });

  it('takes a zero row that is not zero for what it says', () => {
    const odd = withTables(batchFromFolded('a;b;c;d 1'), (tables) => ({
      ...tables,
      links: { length: 1, traceIds: new Uint8Array(16).fill(7), spanIds: new Uint8Array(8).fill(7) },
    }));
    const merged = mergeBatches([odd, batchFromFolded('e 2')]);
    const [first, second] = [...merged.profiles()].map(({ profile: p }) => p.samples.link[0] ?? 0);
    const { links } = merged.dictionary.tables;
    assert.deepEqual([links.spanIds[(first ?? 0) * 8], links.spanIds[(second ?? 0) * 8]], [7, 0]);
    assert.equal(second, 0);
  });
});

/** The batch with other tables. */
function withTables(
  batch: ProfilesBatch,
  edit: (tables: DictionaryTables) => DictionaryTables,
): ProfilesBatch {
  return new ProfilesBatch(new Dictionary(edit(batch.dictionary.tables)), batch.resources);
}

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

describe('cutting a profile', () => {
  it('leaves its original payload with the first part and the unknown fields of the request as well', () => {
    const { dictionary, resources } = batchFromFolded('a 1\nb 2');
    const [rp] = resources;
    const [sp] = rp?.scopes ?? [];
    const [p] = sp?.profiles ?? [];
    assert.ok(rp !== undefined && sp !== undefined && p !== undefined);
    const original = Uint8Array.of(1, 2, 3);
    const whole = new ProfilesBatch(
      dictionary,
      [
        withScopes(rp, [
          withProfiles(sp, [
            withSamples(p, p.samples, { originalPayloadFormat: 'raw', originalPayload: original }),
          ]),
        ]),
      ],
      Uint8Array.of(0x78, 1),
    );
    const parts = splitBatch(whole, 1);
    const payloads = parts.map((part) => [...part.profiles()][0]?.profile.originalPayload.length);
    assert.deepEqual(payloads, [3, 0]);
    assert.deepEqual(
      parts.map((part) => part.unknown.length),
      [2, 0],
    );
  });

  it('makes the first part as small as asked', () => {
    const whole = batchFromFolded(Array.from({ length: 7 }, (_, i) => `f${i} 1`).join('\n'));
    assert.deepEqual(
      splitBatch(whole, 3, 1).map((part) => part.sampleCount),
      [1, 3, 3],
    );
  });
});

describe('filtering profiles', () => {
  const batch = mergeBatches([batchFromFolded('a 1'), batchFromFolded('b 2'), batchFromFolded('')]);

  it('keeps those asked for and drops the resources of the others and their rows', () => {
    const kept = filterProfiles(batch, ({ resource: r }) => r === batch.resources[1]);
    assert.equal(toFolded(kept), 'b 2');
    assert.equal(kept.resources.length, 1);
    assert.equal(kept.dictionary.tables.stacks.length, 2);
    assert.equal(
      filterProfiles(batch, () => true),
      batch,
    );
  });

  it('can drop those without samples', () => {
    assert.deepEqual([batch.profileCount, dropEmpty(batch).profileCount], [3, 2]);
    assert.equal(dropEmpty(dropEmpty(batch)).resources.length, 2);
  });
});

describe('filtering samples', () => {
  it('gives the same batch back where all stay', () => {
    const whole = batchFromFolded('a 1');
    assert.equal(
      filterSamples(whole, () => true),
      whole,
    );
  });

  it('keeps what is asked for and drops what becomes empty', () => {
    const whole = mergeBatches([batchFromFolded('a 1\nb 2'), batchFromFolded('c 3')]);
    const kept = filterSamples(whole, ({ resource: r, sample }) => r === whole.resources[0] && sample === 1);
    assert.equal(toFolded(kept), 'b 2');
    assert.equal(kept.resources.length, 1);
  });
});
