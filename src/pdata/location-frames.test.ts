// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { decodeOtlp } from '../codecs/otlp/decode.ts';
import { encodeOtlp } from '../codecs/otlp/encode.ts';
import { DictionaryBuilder } from './dictionary-builder.ts';
import { batchFromFolded, toFolded } from './folded.ts';
import { type LocationFrame, withLocationFrames } from './location-frames.ts';
import { ProfilesBatch } from './profiles-batch.ts';

const frame = (name: string, line = 0): LocationFrame => ({
  name,
  systemName: '',
  file: line === 0 ? '' : 'a.c',
  line,
  column: 0,
  startLine: 0,
});

describe('frames of locations', () => {
  it('name what had no name, and leave the other locations alone', () => {
    const batch = decodeOtlp(
      encodeOtlp(batchFromFolded('main;work;leaf 3\nmain;other 1'), { revision: '1.10' }),
    );
    const { tables } = batch.dictionary;
    const work = [...Array(tables.locations.length).keys()].find((row) => {
      const line = tables.locations.lineStart[row] ?? 0;
      const name = tables.functions.name[tables.locations.lineFunction[line] ?? 0] ?? 0;
      return row > 0 && batch.dictionary.text(name) === 'work';
    });
    const named = withLocationFrames(
      batch,
      new Map([[work ?? -1, [frame('inlined', 7), frame('outer', 9)]]]),
    );
    assert.equal(toFolded(named), 'main;other 1\nmain;outer;inlined;leaf 3');
    assert.equal(toFolded(batch), 'main;other 1\nmain;work;leaf 3');
    assert.equal(named.resources, batch.resources);
    assert.equal(named.dictionary.tables.stacks, tables.stacks);
    const again = decodeOtlp(encodeOtlp(named, { revision: '1.10' }));
    assert.equal(toFolded(again), toFolded(named));
    assert.deepEqual(
      [...again.dictionary.tables.locations.lineLine].filter((line) => line > 0n),
      [7n, 9n],
    );
  });

  it('may be taken away', () => {
    const batch = batchFromFolded('main 1');
    const bare = withLocationFrames(batch, new Map([[1, []]]));
    assert.equal(bare.dictionary.tables.locations.lineFunction.length, 0);
  });

  it('are refused for rows that are not there, the zero row among them', () => {
    const batch = new ProfilesBatch(new DictionaryBuilder().build(), []);
    for (const row of [-1, 0, 1]) {
      assert.throws(() => withLocationFrames(batch, new Map([[row, [frame('f')]]])), RangeError);
    }
    assert.equal(withLocationFrames(batch, new Map()), batch);
  });
});
