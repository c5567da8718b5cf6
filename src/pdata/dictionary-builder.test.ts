// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { intValue, stringValue, valueToText } from './any-value.ts';
import { DictionaryBuilder } from './dictionary-builder.ts';
import type { Dictionary } from './dictionary.ts';
import { listAt } from './tables.ts';

/** Adds one row of every kind with 64-bit values that a double cannot hold. */
function addAll(b: DictionaryBuilder): number[] {
  const name = b.string('malloc');
  const fn = b.function(name, b.string('_malloc'), b.string('m.c'), -(2n ** 63n));
  const size = b.attributeOf('size', intValue(2n ** 62n + 1n), 'By');
  const text = b.attributeOf('text', stringValue('grün'));
  const mapping = b.mapping(1n, 2n ** 64n - 1n, 3n, b.string('libc.so'), [size, text]);
  const line = { function: fn, line: 2n ** 53n + 1n, column: -1n };
  const location = b.location(mapping, 2n ** 64n - 1n, [text], [line, { ...line, line: 1n }]);
  const link = b.link(new Uint8Array(16).fill(0xfe), Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 255));
  return [name, fn, size, text, mapping, location, b.stack([location, location]), link];
}

function checkAll(d: Dictionary, rows: readonly number[]): void {
  const [name = 0, fn = 0, size = 0, text = 0, mapping = 0, location = 0, stack = 0, link = 0] = rows;
  const t = d.tables;
  assert.equal(d.text(name), 'malloc');
  assert.equal(d.text(t.functions.systemName[fn] ?? 0), '_malloc');
  assert.equal(t.functions.startLine[fn], -(2n ** 63n));
  assert.equal(valueToText(d.attributeValue(size)), String(2n ** 62n + 1n));
  assert.equal(d.text(t.attributes.unit[size] ?? 0), 'By');
  assert.deepEqual(
    [t.mappings.memoryStart[mapping], t.mappings.memoryLimit[mapping], t.mappings.fileOffset[mapping]],
    [1n, 2n ** 64n - 1n, 3n],
  );
  assert.deepEqual([...listAt(t.mappings.attributes, mapping)], [size, text]);
  assert.equal(t.locations.address[location], 2n ** 64n - 1n);
  assert.deepEqual([...listAt(t.locations.attributes, location)], [text]);
  const from = t.locations.lineStart[location] ?? 0;
  assert.equal(t.locations.lineStart[location + 1], from + 2);
  assert.deepEqual([t.locations.lineLine[from], t.locations.lineColumn[from]], [2n ** 53n + 1n, -1n]);
  assert.deepEqual([...listAt(t.stacks.locations, stack)], [location, location]);
  assert.deepEqual([...t.links.spanIds.subarray(link * 8, link * 8 + 8)], [1, 2, 3, 4, 5, 6, 7, 255]);
}

describe('a dictionary builder', () => {
  for (const hashMask of [-1, 0]) {
    it(`gives one row for equal contents and every field back, hashes masked with ${hashMask}`, () => {
      const b = new DictionaryBuilder(undefined, { hashMask });
      const rows = addAll(b);
      assert.deepEqual(addAll(b), rows);
      checkAll(b.build(), rows);
    });
  }

  it('begins with the zero rows', () => {
    const d = new DictionaryBuilder().build();
    assert.deepEqual(
      Object.values(d.tables).map((table: { length: number }) => table.length),
      [1, 1, 1, 1, 1, 1, 1],
    );
    assert.equal(d.text(0), '');
    assert.deepEqual(d.attributeValue(0), { kind: 'empty' });
  });

  it('finds the rows of its base and gives the base where nothing is new', () => {
    const first = new DictionaryBuilder();
    const rows = addAll(first);
    const base = first.build();
    const onTop = new DictionaryBuilder(base);
    assert.deepEqual(addAll(onTop), rows);
    assert.equal(onTop.build(), base);
  });

  it('keeps the rows of its base where they are and shares the tables that did not grow', () => {
    const first = new DictionaryBuilder();
    const rows = addAll(first);
    const base = first.build();
    const onTop = new DictionaryBuilder(base);
    const added = onTop.attributeOf('cpu', intValue(3));
    const grown = onTop.build();
    assert.equal(added, base.tables.attributes.length);
    checkAll(grown, rows);
    assert.equal(grown.attributeKey(added), 'cpu');
    const { strings, attributes, ...others } = grown.tables;
    assert.equal(strings.length, base.tables.strings.length + 1);
    assert.equal(attributes.length, base.tables.attributes.length + 1);
    for (const [name, table] of Object.entries(others))
      assert.equal(table, Object.entries(base.tables).find(([other]) => other === name)?.[1], name);
  });
});
