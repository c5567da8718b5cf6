// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { DecodeError, WireReader } from '../internal/wire-reader.ts';
import { type AnyValue, encodeAnyValue, readAnyValue, valueToText } from './any-value.ts';

const decode = (bytes: Uint8Array, strings: readonly string[] = []): AnyValue =>
  readAnyValue(new WireReader(bytes, 'test'), (row) => {
    const text = strings[row];
    if (text === undefined) throw new RangeError(`string index ${row} is out of range`);
    return text;
  });

const { value } = fc.letrec<{ value: AnyValue }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    fc.constant<AnyValue>({ kind: 'empty' }),
    fc
      .string({ unit: 'grapheme' })
      .map((v): AnyValue => ({ kind: 'string', value: v }))
      .filter((v) => v.kind === 'string' && v.value !== ''),
    fc.boolean().map((v): AnyValue => ({ kind: 'bool', value: v })),
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map((v): AnyValue => ({ kind: 'int', value: v })),
    fc.double({ noNaN: true }).map((v): AnyValue => ({ kind: 'double', value: v })),
    fc.uint8Array().map((v): AnyValue => ({ kind: 'bytes', value: v })),
    fc.array(tie('value'), { maxLength: 4 }).map((v): AnyValue => ({ kind: 'array', value: v })),
    fc
      .array(fc.record({ key: fc.string(), value: tie('value') }), { maxLength: 4 })
      .map((v): AnyValue => ({ kind: 'map', value: v })),
  ),
}));

describe('attribute values', () => {
  it('come back from their bytes as they were', () => {
    fc.assert(
      fc.property(value, (v) => assert.deepEqual(plain(decode(encodeAnyValue(v))), plain(v))),
      { seed: 7, numRuns: 500 },
    );
  });

  it('are read with string references resolved', () => {
    assert.deepEqual(decode(Uint8Array.of(0x40, 1), ['', 'here']), { kind: 'string', value: 'here' });
    assert.throws(() => decode(Uint8Array.of(0x40, 9), ['']), DecodeError);
  });

  it('are refused when nested deeper than the limit', () => {
    const nested = (depth: number): AnyValue =>
      depth === 0 ? { kind: 'bool', value: true } : { kind: 'array', value: [nested(depth - 1)] };
    assert.doesNotThrow(() => decode(encodeAnyValue(nested(32))));
    assert.throws(() => decode(encodeAnyValue(nested(33))), /nested deeper/);
  });

  it('are refused where a string is not UTF-8', () => {
    assert.throws(() => decode(Uint8Array.of(0x0a, 1, 0xff)), /UTF-8/);
  });

  it('read as text without losing 64-bit integers', () => {
    assert.equal(valueToText({ kind: 'int', value: 2n ** 63n - 1n }), '9223372036854775807');
    assert.equal(
      valueToText({ kind: 'array', value: [{ kind: 'bool', value: true }, { kind: 'empty' }] }),
      '[true,null]',
    );
  });

  it('never make the reader throw anything but DecodeError', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        try {
          decode(bytes, ['']);
        } catch (error) {
          assert.ok(error instanceof DecodeError);
        }
      }),
      { seed: 11, numRuns: 3000 },
    );
  });
});

/** Byte arrays compare by content, whatever their class. */
function plain(v: AnyValue): unknown {
  if (v.kind === 'bytes') return { kind: 'bytes', value: [...v.value] };
  if (v.kind === 'array') return { kind: 'array', value: v.value.map(plain) };
  if (v.kind === 'map')
    return { kind: 'map', value: v.value.map((e) => ({ key: e.key, value: plain(e.value) })) };
  return v;
}
