// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { DictionaryBuilder } from '../../pdata/dictionary-builder.ts';
import { batchFromFolded } from '../../pdata/folded.ts';
import { mergeBatches } from '../../pdata/merge.ts';
import { profile, ProfilesBatch, resource } from '../../pdata/profiles-batch.ts';
import { SamplesBuilder } from '../../pdata/samples.ts';
import { encodeSpeedscope } from './encode.ts';

interface SpeedscopeFile {
  readonly name?: string;
  readonly shared: {
    readonly frames: readonly { name: string; file?: string; line?: number; col?: number }[];
  };
  readonly profiles: readonly {
    readonly name: string;
    readonly unit: string;
    readonly endValue: number;
    readonly samples: readonly (readonly number[])[];
    readonly weights: readonly number[];
  }[];
}

const parse = (text: string): SpeedscopeFile => JSON.parse(text) as SpeedscopeFile;

/** The profiles of a file as folded lines, as speedscope would draw them. */
function drawn({ shared, profiles }: SpeedscopeFile): string[][] {
  return profiles.map((p) =>
    p.samples.map((stack, i) => `${stack.map((row) => shared.frames[row]?.name).join(';')} ${p.weights[i]}`),
  );
}

describe('a speedscope file', () => {
  it('has a profile for each profile, over frames that are shared', () => {
    const batch = mergeBatches([
      batchFromFolded('main;work 3\nmain;idle 1', {
        sampleType: ['cpu', 'nanoseconds'],
        attributes: { 'service.name': 'shop' },
      }),
      batchFromFolded('main;work 5', { sampleType: ['alloc_space', 'By'] }),
      batchFromFolded('main 2', { sampleType: ['samples', 'constructor'] }),
    ]);
    const file = parse(encodeSpeedscope(batch, { name: 'all of it' }));
    assert.deepEqual(drawn(file), [['main;work 3', 'main;idle 1'], ['main;work 5'], ['main 2']]);
    assert.deepEqual(
      file.profiles.map((p) => [p.name, p.unit, p.endValue]),
      [
        ['shop: cpu', 'nanoseconds', 4],
        ['alloc_space', 'bytes', 5],
        ['samples', 'none', 2],
      ],
    );
    assert.equal(file.shared.frames.length, 3);
    assert.equal(file.name, 'all of it');
  });

  it('keeps inlined functions, places in source and weights beyond a double', () => {
    const b = new DictionaryBuilder();
    const fn = (name: string, file: string): number => b.function(b.string(name), 0, b.string(file), 0n);
    const leaf = b.location(
      0,
      0n,
      [],
      [
        { function: fn('inlined', 'a.c'), line: 7n, column: 2n },
        { function: fn('outer', 'a.c'), line: 9n, column: 0n },
      ],
    );
    const nameless = b.location(0, 0x20n, [], []);
    const samples = new SamplesBuilder();
    samples.add(b.stack([leaf, nameless]), 0, [], [2n ** 53n + 1n], []);
    samples.add(b.stack([nameless]), 0, [], [-5n], []);
    samples.add(0, 0, [], [0n], []);
    samples.add(b.stack([nameless]), 0, [], [], [1n, 2n]);
    const p = profile({ sampleType: { type: 0, unit: 0 }, samples: samples.build() });
    const scope = { name: '', version: '', attributes: [], droppedAttributesCount: 0 };
    const batch = new ProfilesBatch(b.build(), [
      { resource: resource([]), schemaUrl: '', scopes: [{ scope, schemaUrl: '', profiles: [p] }] },
    ]);
    const text = encodeSpeedscope(batch);
    const file = parse(text);
    const frames = file.profiles[0]?.samples.map((stack) => stack.map((row) => file.shared.frames[row]));
    const root = { name: '0x20' };
    const inlined = { name: 'inlined', file: 'a.c', line: 7, col: 2 };
    assert.deepEqual(frames, [[root, { name: 'outer', file: 'a.c', line: 9 }, inlined], [root]]);
    assert.equal(file.shared.frames.length, 3);
    assert.match(text, /"weights":\[9007199254740993,2\],"endValue":9007199254740995/);
  });

  it('is refused where it would be larger than allowed', () => {
    const batch = batchFromFolded('main;work 3\nmain;idle 1');
    const { length } = encodeSpeedscope(batch);
    assert.equal(encodeSpeedscope(batch, { maxLength: length }).length, length);
    assert.throws(
      () => encodeSpeedscope(batch, { maxLength: length - 1 }),
      /speedscope file is larger than \d+ characters/,
    );
  });
});
