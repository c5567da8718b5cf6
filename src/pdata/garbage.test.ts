// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { stringValue } from './any-value.ts';
import { meaningDifference } from './canonical.ts';
import { DictionaryBuilder } from './dictionary-builder.ts';
import { Dictionary } from './dictionary.ts';
import { batchFromFolded, toFolded } from './folded.ts';
import { collectGarbage } from './garbage.ts';
import { ProfilesBatch } from './profiles-batch.ts';

const rows = ({ dictionary }: ProfilesBatch): number[] =>
  Object.values(dictionary.tables).map((table: { length: number }) => table.length);

it('rows that nothing references go, from every table', () => {
  const batch = batchFromFolded('a;b 1\na;c 2');
  const b = new DictionaryBuilder(batch.dictionary);
  const attribute = b.attributeOf('unused', stringValue('unused'));
  const mapping = b.mapping(1n, 2n, 3n, b.string('unused.so'), [attribute]);
  const fn = b.function(b.string('unused'), 0, 0, 0n);
  const location = b.location(mapping, 1n, [], [{ function: fn, line: 1n, column: 1n }]);
  b.stack([location]);
  b.link(new Uint8Array(16).fill(1), new Uint8Array(8).fill(1));
  const littered = new ProfilesBatch(b.build(), batch.resources);
  assert.ok(rows(littered).every((n, i) => n > (rows(batch)[i] ?? 0)));
  const collected = collectGarbage(littered);
  assert.deepEqual(rows(collected), rows(batch));
  assert.equal(toFolded(collected), toFolded(batch));
  assert.equal(collectGarbage(collected), collected);
});

it('equal rows become one, also those that are equal only once their strings are', () => {
  const { dictionary, resources } = batchFromFolded('a;b 1');
  const { strings, functions, stacks, ...others } = dictionary.tables;
  // The name of one frame becomes an equal string in a row of its own.
  const name = Int32Array.from(functions.name);
  const [first = 0, second = 0] = name.subarray(1);
  const same = {
    length: strings.length,
    bytes: strings.bytes,
    start: strings.start.map((start, row) => (row === second ? (strings.start[first] ?? 0) : start)),
    end: strings.end.map((end, row) => (row === second ? (strings.end[first] ?? 0) : end)),
  };
  const batch = new ProfilesBatch(new Dictionary({ ...others, strings: same, functions, stacks }), resources);
  const collected = collectGarbage(batch);
  assert.equal(collected.dictionary.tables.functions.length, functions.length - 1);
  assert.equal(collected.dictionary.tables.locations.length, dictionary.tables.locations.length - 1);
  assert.equal(collected.dictionary.tables.stacks.length, stacks.length);
  assert.equal(meaningDifference(collected, batch), undefined);
});

it('a zero row that is not zero is made one, though no table gets shorter', () => {
  const { dictionary, resources } = batchFromFolded('a 1');
  const links = { length: 2, traceIds: new Uint8Array(32).fill(5), spanIds: new Uint8Array(16).fill(5) };
  const odd = new ProfilesBatch(new Dictionary({ ...dictionary.tables, links }), resources);
  const collected = collectGarbage(odd);
  assert.equal(collected.dictionary.tables.links.spanIds[0], 0);
  assert.equal(meaningDifference(collected, odd), undefined);
});
