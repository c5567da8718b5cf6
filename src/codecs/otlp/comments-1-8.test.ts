// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { valueToText } from '../../pdata/any-value.ts';
import type { ProfilesBatch } from '../../pdata/profiles-batch.ts';
import { decodeOtlp, decodeOtlpDetailed } from './decode.ts';
import { encodeOtlp } from './encode.ts';

const SAMPLE = field(2, Buffer.of(0x12, 1, 1));
/** dropped_attributes_count under its number of 1.8, by which the revision is told. */
const OF_1_8 = Buffer.of(0x48, 1);
const STRINGS = ['', 'built by ci', 'größe'];

function field(number: number, ...parts: readonly (Buffer | string)[]): Buffer {
  const body = Buffer.concat(parts.map((part) => Buffer.from(part)));
  assert.ok(body.length < 0x4000);
  const length = body.length < 0x80 ? [body.length] : [(body.length & 0x7f) | 0x80, body.length >>> 7];
  return Buffer.concat([Buffer.of((number << 3) | 2, ...length), body]);
}

const request = (dictionary: readonly Buffer[], ...profiles: readonly Buffer[]): Buffer =>
  Buffer.concat([
    field(2, ...dictionary),
    field(1, field(2, ...profiles.map((profile) => field(2, SAMPLE, OF_1_8, profile)))),
  ]);
const strings = STRINGS.map((text) => field(5, text));

const attributesOf = (batch: ProfilesBatch): string[][] =>
  [...batch.profiles()].map(({ profile: { attributes } }) =>
    Array.from(attributes, (row) => {
      const { dictionary } = batch;
      return `${dictionary.attributeKey(row)}=${valueToText(dictionary.attributeValue(row))}`;
    }),
  );

describe('comments of OTLP 1.8', () => {
  // key: 1 (a string), value: "v"
  const attribute = field(6, Buffer.of(0x08, 1), field(2, field(1, 'v')));
  const packed = field(7, Buffer.of(1, 2));
  const apart = Buffer.of(0x38, 2);

  it('become an attribute of their profile, behind those that it has', () => {
    const bytes = request(
      [...strings, field(6), attribute],
      Buffer.concat([packed, Buffer.of(0x60, 1)]),
      Buffer.alloc(0),
      Buffer.concat([apart, apart]),
      packed,
    );
    const { batch, revision } = decodeOtlpDetailed(bytes);
    assert.equal(revision, '1.8');
    const expected = [
      ['built by ci=v', 'pprof.profile.comment=["built by ci","größe"]'],
      [],
      ['pprof.profile.comment=["größe","größe"]'],
      ['pprof.profile.comment=["built by ci","größe"]'],
    ];
    assert.deepEqual(attributesOf(batch), expected);
    assert.deepEqual(attributesOf(decodeOtlp(encodeOtlp(batch, { revision: '1.10' }))), expected);
    assert.equal(batch.dictionary.tables.attributes.length, 4);
    assert.equal(batch.sampleCount, 4);
  });

  it('find their place in tables that are not there', () => {
    assert.deepEqual(attributesOf(decodeOtlp(request(strings, packed))), [
      ['pprof.profile.comment=["built by ci","größe"]'],
    ]);
    assert.deepEqual(attributesOf(decodeOtlp(request([], field(7, Buffer.of(0))))), [
      ['pprof.profile.comment=[""]'],
    ]);
  });

  it('are refused where they are no strings of the table, or far more than the request holds', () => {
    assert.throws(
      () => decodeOtlp(request(strings, field(7, Buffer.of(3)))),
      /string index 3 is out of range/,
    );
    assert.throws(
      () => decodeOtlp(request(strings, Buffer.of(0x39, ...Buffer.alloc(8)))),
      /wire type 1, want 0/,
    );
    const long = [field(5), field(5, 'x'.repeat(2_000))];
    for (const profiles of [
      [field(7, Buffer.alloc(100, 1))],
      Array<Buffer>(50).fill(field(7, Buffer.alloc(100))),
    ]) {
      const bytes = request(long, ...profiles);
      assert.throws(() => decodeOtlp(bytes), /comments would take more memory than the request/);
    }
  });
});
