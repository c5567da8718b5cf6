// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { WireReader } from '../internal/wire-reader.ts';
import {
  type AnyValue,
  boolValue,
  encodeAnyValue,
  intValue,
  readAnyValue,
  stringValue,
} from './any-value.ts';
import { inlineReferences, mayReferToStrings } from './value-references.ts';

const STRINGS = ['', 'one', 'größe'];
const utf8 = (row: number): Uint8Array => Buffer.from(STRINGS[row] ?? assert.fail(`row ${row}`));
const read = (bytes: Uint8Array): AnyValue =>
  readAnyValue(new WireReader(bytes, 'test'), (row) => STRINGS[row] ?? '');

/** A message as field `field`. */
const message = (field: number, ...contents: number[]): number[] => [
  (field << 3) | 2,
  contents.length,
  ...contents,
];
const reference = (row: number): number[] => [0x40, row];

describe('references into the string table', () => {
  it('are replaced by their strings at every depth, keys included', () => {
    const entry = message(1, 0x18, 2, ...message(2, ...reference(1)));
    const map = message(6, ...entry, ...message(1, ...message(1, 0x6b), ...message(2, 0x10, 1)));
    const array = message(5, ...message(1, ...reference(2)), ...message(1, ...map));
    const inlined = inlineReferences(Uint8Array.from(array), utf8);
    const expected: AnyValue = {
      kind: 'array',
      value: [
        stringValue('größe'),
        {
          kind: 'map',
          value: [
            { key: 'größe', value: stringValue('one') },
            { key: 'k', value: boolValue(true) },
          ],
        },
      ],
    };
    assert.deepEqual(read(inlined), expected);
    assert.deepEqual([...inlined], [...encodeAnyValue(expected)]);
  });

  it('of an empty string leave an empty string, and key row 0 leaves the key as it is', () => {
    assert.deepEqual([...inlineReferences(Uint8Array.from(reference(0)), utf8)], message(1));
    const entry = message(6, ...message(1, ...message(1, 0x6b), 0x18, 0));
    assert.deepEqual(read(inlineReferences(Uint8Array.from(entry), utf8)), {
      kind: 'map',
      value: [{ key: 'k', value: { kind: 'empty' } }],
    });
  });

  it('count as protobuf has it where a key refers twice: the last, of which 0 is none', () => {
    for (const [rows, key] of [
      [[1, 2], 'größe'],
      [[2, 0], ''],
      [[0, 1], 'one'],
    ] as const) {
      const references = rows.flatMap((row) => [0x18, row]);
      const map = Uint8Array.from(message(6, ...message(1, ...references, ...message(1))));
      const expected: AnyValue = { kind: 'map', value: [{ key, value: { kind: 'empty' } }] };
      assert.deepEqual(read(map), expected);
      assert.deepEqual(read(inlineReferences(map, utf8)), expected);
    }
  });

  it('leave unknown fields where they are', () => {
    const unknown = message(15, 1, 2, 3);
    const inlined = inlineReferences(Uint8Array.from([...unknown, ...reference(1)]), utf8);
    assert.deepEqual([...inlined], [...unknown, ...message(1, ...Buffer.from('one'))]);
  });

  it('are looked for where a value may hold some', () => {
    const may = (bytes: Uint8Array): boolean => mayReferToStrings(bytes, 0, bytes.length);
    const without: AnyValue[] = [
      stringValue('x'),
      intValue(7),
      boolValue(true),
      { kind: 'empty' },
      { kind: 'double', value: 1 },
      { kind: 'bytes', value: Uint8Array.of(8) },
    ];
    for (const value of without) assert.equal(may(encodeAnyValue(value)), false, value.kind);
    const array: AnyValue = { kind: 'array', value: [intValue(1)] };
    const map: AnyValue = { kind: 'map', value: [] };
    for (const bytes of [reference(1), encodeAnyValue(array), encodeAnyValue(map), message(15, 1)])
      assert.equal(may(Uint8Array.from(bytes)), true);
  });
});
