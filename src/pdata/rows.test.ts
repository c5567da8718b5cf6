// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { hashWords } from './hash.ts';
import { WordRows } from './rows.ts';

function intern(rows: WordRows, words: readonly number[]): number {
  rows.pushAll(words);
  return rows.intern();
}

describe('rows of words', () => {
  for (const [name, hashMask] of [
    ['whatever they hold', -1],
    ['when every hash is the same', 0],
    ['when there are four hashes', 3],
  ] as const) {
    it(`are stored once each, ${name}`, () => {
      const word = fc.integer({ min: -2, max: 2 });
      const lists = fc.array(fc.array(word, { maxLength: 4 }), { maxLength: 120 });
      fc.assert(
        fc.property(lists, (given) => {
          const rows = new WordRows(1, 1, { hashMask });
          const model = new Map<string, number>();
          for (const words of given) {
            const key = words.join();
            const expected = model.get(key) ?? model.size;
            model.set(key, expected);
            assert.equal(intern(rows, words), expected);
          }
          assert.equal(rows.length, model.size);
          const kept = Array.from({ length: rows.length }, (_, i) =>
            rows.words.slice(rows.starts[i], rows.starts[i + 1]).join(),
          );
          assert.deepEqual(kept, [...model.keys()]);
        }),
        { seed: 3, numRuns: 60 },
      );
    });
  }

  for (const withoutAddon of [false, true]) {
    for (const hashMask of [-1, 3]) {
      it(`are kept as they were appended, and the first of equal ones is known: ${withoutAddon} ${hashMask}`, () => {
        const list = fc.array(fc.array(fc.integer({ min: -1, max: 2 }), { maxLength: 3 }), { maxLength: 80 });
        fc.assert(
          fc.property(list, (given) => {
            const rows = new WordRows(16, 64, { hashMask, withoutAddon });
            for (const words of given) {
              rows.pushAll(words);
              rows.append();
            }
            rows.index();
            const keys = given.map((words) => words.join());
            assert.deepEqual([rows.length, rows.duplicates], [keys.length, keys.length - new Set(keys).size]);
            given.forEach((words) => assert.equal(intern(rows, words), keys.indexOf(words.join())));
            assert.equal(intern(rows, [9]), given.length);
          }),
          { seed: 5, numRuns: 60 },
        );
      });
    }
  }

  it('tell bytes apart that differ only in the padding of their last word', () => {
    const rows = new WordRows();
    const add = (...bytes: number[]): number => {
      const view = new DataView(Uint8Array.from([9, ...bytes, 9]).buffer);
      rows.pushBytes(view, 1, 1 + bytes.length);
      return rows.intern();
    };
    const all = [add(), add(0), add(0, 0), add(1, 2, 3, 4), add(1, 2, 3, 4, 0), add(1, 2, 3, 4, 5, 6, 7)];
    assert.deepEqual(all, [0, 1, 2, 3, 4, 5]);
    assert.deepEqual([add(1, 2, 3, 4), add(0, 0)], [3, 2]);
  });
});

describe('the hash of words', () => {
  it('changes with every word, with the length and with the order', () => {
    const hash = (...words: number[]): number => hashWords(Int32Array.from(words), 0, words.length);
    const all = [
      hash(),
      hash(0),
      hash(0, 0),
      hash(1, 2),
      hash(2, 1),
      hash(1),
      hash(-2147483648),
      hash(-2147483648, 0),
    ];
    assert.equal(new Set(all).size, all.length);
    assert.equal(hash(1, 2), hashWords(Int32Array.of(5, 1, 2, 5), 1, 3));
  });

  it('does not collide where fast hashes with a seed do, on words that differ in their high bits', () => {
    const hashes = new Set<number>();
    for (let i = 0; i < 1 << 12; i++) {
      const words = Int32Array.from({ length: 12 }, (_, bit) => (i & (1 << bit) ? 0x80000000 : 0));
      hashes.add(hashWords(words, 0, 12));
    }
    assert.ok(hashes.size > 4090, `${hashes.size} hashes of 4096 rows`);
  });
});
