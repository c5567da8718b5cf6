// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { otlpRequestType } from '../../internal/testing/otlp-proto.ts';
import { Random, randomOtlpRequest } from '../../internal/testing/otlp-random.ts';
import { DecodeError } from '../../internal/wire-reader.ts';
import { batchFromFolded, toFolded } from '../../pdata/folded.ts';
import { decodeOtlp } from './decode.ts';
import { encodeOtlp } from './encode.ts';

const type = otlpRequestType();
const encode = (request: object): Uint8Array => type.encode(type.fromObject(request)).finish();

const VALID = { stringTable: [''], attributeTable: [{}], locationTable: [{}], stackTable: [{}] };
const withDictionary = (fields: object): Uint8Array => encode({ dictionary: { ...VALID, ...fields } });
const withProfile = (fields: object): Uint8Array =>
  encode({ resourceProfiles: [{ scopeProfiles: [{ profiles: [fields] }] }], dictionary: VALID });
const withSample = (fields: object): Uint8Array =>
  withProfile({ samples: [{ attributeIndices: [0], values: ['1'], ...fields }] });
const withAttribute = (fields: object): Uint8Array =>
  encode({ resourceProfiles: [{ resource: { attributes: [fields] } }], dictionary: VALID });

/** Every message, length-delimited, around `body`. */
function nest(body: Buffer, ...tags: readonly number[]): Buffer {
  return tags.reduceRight(
    (inner, tag) => Buffer.concat([Buffer.from([tag]), varint(inner.length), inner]),
    body,
  );
}

function varint(value: number | bigint): Buffer {
  const out: number[] = [];
  let rest = BigInt(value);
  for (; rest >= 0x80n; rest >>= 7n) out.push(Number(rest & 0x7fn) | 0x80);
  return Buffer.from([...out, Number(rest)]);
}

const OUT_OF_RANGE: Readonly<Record<string, readonly [Uint8Array, RegExp]>> = {
  'stack of a sample': [withSample({ stackIndex: 5 }), /stack index 5 is out of range \[0\.\.1\)/],
  'link of a sample': [withSample({ linkIndex: 5 }), /link index 5/],
  'attribute of a sample': [withSample({ attributeIndices: [0, 5] }), /attribute index 5/],
  'attribute of a profile': [withProfile({ attributeIndices: [70_000] }), /attribute index 70000/],
  'sample type': [withProfile({ sampleType: { typeStrindex: 5 } }), /string index 5/],
  'period unit': [withProfile({ periodType: { unitStrindex: 5 } }), /string index 5/],
  'location of a stack': [
    withDictionary({ stackTable: [{}, { locationIndices: [0, 300] }] }),
    /location index 300/,
  ],
  'mapping of a location': [withDictionary({ locationTable: [{ mappingIndex: 5 }] }), /mapping index 5/],
  'attribute of a location': [
    withDictionary({ locationTable: [{ attributeIndices: [5] }] }),
    /attribute index 5/,
  ],
  'function of a line': [
    withDictionary({ locationTable: [{ lines: [{ functionIndex: 5 }] }] }),
    /function index 5/,
  ],
  'file of a mapping': [withDictionary({ mappingTable: [{ filenameStrindex: 5 }] }), /string index 5/],
  'attribute of a mapping': [
    withDictionary({ mappingTable: [{ attributeIndices: [5] }] }),
    /attribute index 5/,
  ],
  'name of a function': [withDictionary({ functionTable: [{ nameStrindex: 5 }] }), /string index 5/],
  'system name of a function': [
    withDictionary({ functionTable: [{ systemNameStrindex: 5 }] }),
    /string index 5/,
  ],
  'file of a function': [withDictionary({ functionTable: [{ filenameStrindex: 5 }] }), /string index 5/],
  'key of an attribute': [withDictionary({ attributeTable: [{ keyStrindex: 5 }] }), /string index 5/],
  'unit of an attribute': [withDictionary({ attributeTable: [{ unitStrindex: 5 }] }), /string index 5/],
  'reference in an attribute': [
    withDictionary({ attributeTable: [{ value: { arrayValue: { values: [{ stringValueStrindex: 5 }] } } }] }),
    /string index 5/,
  ],
  'key reference of a resource': [withAttribute({ keyStrindex: 5 }), /string index 5/],
  'value reference of a resource': [
    withAttribute({ key: 'k', value: { stringValueStrindex: 5 } }),
    /string index 5/,
  ],
};

describe('hostile OTLP', () => {
  for (const [name, [bytes, message]] of Object.entries(OUT_OF_RANGE)) {
    it(`is refused where the ${name} is out of range`, () => {
      assert.throws(
        () => decodeOtlp(bytes),
        (error: unknown) => error instanceof DecodeError && message.test(error.message) && error.offset > 0,
      );
    });
  }

  it('is refused where an attribute has a key and refers to one', () => {
    const both = { key: 'k', keyStrindex: 1, value: { intValue: '1' } };
    const request = (attribute: object): Uint8Array =>
      encode({
        resourceProfiles: [{ resource: { attributes: [attribute] } }],
        dictionary: { ...VALID, stringTable: ['', 'k'] },
      });
    assert.throws(() => decodeOtlp(request(both)), /attribute with both a key and a reference to one/);
    const inMap = { key: 'm', value: { kvlistValue: { values: [both] } } };
    assert.throws(() => decodeOtlp(request(inMap)), /attribute with both a key and a reference to one/);
    for (const one of [
      { ...both, key: '' },
      { ...both, keyStrindex: 0 },
    ]) {
      const [resource] = decodeOtlp(request(one)).resources;
      assert.equal(resource?.resource.attributes[0]?.key, 'k');
    }
  });

  it('is refused where an entity reference is malformed or not UTF-8', () => {
    const inResource = [0x0a, 0x0a, 0x1a] as const;
    assert.throws(() => decodeOtlp(nest(Buffer.of(0x02, 0), ...inResource)), /field number 0/);
    assert.throws(
      () => decodeOtlp(nest(Buffer.of(0x0a, 1, 0xf7), ...inResource)),
      /string is not valid UTF-8/,
    );
    assert.equal(decodeOtlp(nest(Buffer.of(0x0a, 1, 0x61), ...inResource)).resources.length, 1);
  });

  it('is refused where an index is negative', () => {
    assert.throws(() => decodeOtlp(withSample({ stackIndex: -1 })), /negative index/);
    assert.throws(
      () => decodeOtlp(withDictionary({ stackTable: [{ locationIndices: [-1] }] })),
      /negative index/,
    );
  });

  it('is refused where ids have a wrong length or a sample a wrong shape', () => {
    assert.throws(
      () => decodeOtlp(withDictionary({ linkTable: [{ traceId: Buffer.alloc(15) }] })),
      /trace id of 15 bytes, want 16/,
    );
    assert.throws(
      () => decodeOtlp(withProfile({ profileId: Buffer.alloc(3) })),
      /profile id of 3 bytes, want 16/,
    );
    assert.throws(
      () => decodeOtlp(withSample({ values: ['1', '2'] })),
      /sample with 2 values and 0 timestamps/,
    );
    assert.throws(
      () => decodeOtlp(withSample({ values: ['1', '2'], timestampsUnixNano: ['1'] })),
      /want one value/,
    );
  });

  it('is refused where a string is not UTF-8', () => {
    const bad = Buffer.from([0xff, 0xfe]);
    for (const tags of [
      [0x12, 0x2a], // string table
      [0x0a, 0x1a], // schema url
      [0x0a, 0x0a, 0x0a, 0x0a], // key of a resource attribute
      [0x0a, 0x12, 0x0a, 0x0a], // scope name
      [0x12, 0x32, 0x12, 0x0a], // value in the attribute table
    ]) {
      assert.throws(() => decodeOtlp(nest(bad, ...tags)), /string is not valid UTF-8/);
    }
  });

  it('is refused where a length runs past the end, however large', () => {
    for (const length of [100, 2 ** 31 - 1, 2 ** 31, 2 ** 32, 2n ** 63n, 2n ** 64n - 1n]) {
      for (const tag of [0x0a, 0x12, 0x1a]) {
        assert.throws(() => decodeOtlp(Buffer.concat([Buffer.from([tag]), varint(length)])), DecodeError);
      }
    }
  });

  it('is refused where attribute values nest too deep', () => {
    for (const tags of [
      [0x0a, 0x0a, 0x0a, 0x12],
      [0x12, 0x32, 0x12],
    ]) {
      // Each level: array_value (field 5) with one value (field 1); built from the inside with growing lengths.
      const parts: Buffer[] = [];
      let size = 0;
      for (let level = 0; level < 100_000; level++) {
        const inner = Buffer.concat([Buffer.from([0x0a]), varint(size)]);
        const outer = Buffer.concat([Buffer.from([0x2a]), varint(size + inner.length)]);
        parts.push(inner, outer);
        size += inner.length + outer.length;
      }
      const value = Buffer.concat(parts.reverse());
      assert.throws(() => decodeOtlp(nest(value, ...tags)), /nested deeper than 32/);
    }
  });

  it('is refused where it would take far more memory than it has bytes', () => {
    const many = (count: number, ...tags: number[]): Buffer =>
      nest(Buffer.alloc(count * 2, Buffer.from([tags.pop() ?? 0, 0])), ...tags);
    for (const tags of [
      [0x0a],
      [0x12, 0x0a],

      [0x0a, 0x12],
      [0x0a, 0x12, 0x12],
      [0x0a, 0x0a, 0x0a],
    ]) {
      const tag = tags.at(-1);
      assert.throws(
        () => decodeOtlp(many(2_000_000, ...tags)),
        /more than 3 times/,
        `tag ${tag} in ${tags.join(' ')}`,
      );
    }
  });

  it('is refused or read, and never worse, when cut at any byte', () => {
    const whole = encode(randomOtlpRequest(new Random(7), true));
    let refused = 0;
    for (let end = 0; end < whole.length; end++) refused += outcome(whole.subarray(0, end));
    assert.ok(refused > whole.length * 0.9);
  });

  it('is refused or read, and never worse, with flipped bits', () => {
    const random = new Random(1);
    const inputs = [1, 2, 3, 4].map((seed) => encode(randomOtlpRequest(new Random(seed), true)));
    inputs.push(encodeOtlp(batchFromFolded('main;work 1\nmain;idle 2'), { revision: '1.9' }));
    let refused = 0;
    for (let round = 0; round < 20_000; round++) {
      const bytes = Uint8Array.from(inputs[random.below(inputs.length)] ?? []);
      for (let flips = 1 + random.below(3); flips > 0; flips--) {
        const at = random.below(bytes.length);
        bytes[at] = (bytes[at] ?? 0) ^ (1 << random.below(8));
      }
      refused += outcome(bytes);
    }
    assert.ok(refused > 5_000 && refused < 20_000);
  });
});

/** 1 where the input is refused with DecodeError; 0 where it is read, and then it can be drawn and written. */
function outcome(bytes: Uint8Array): 0 | 1 {
  try {
    const batch = decodeOtlp(bytes);
    toFolded(batch);
    decodeOtlp(encodeOtlp(batch, { revision: '1.10' }));
    decodeOtlp(encodeOtlp(batch, { revision: '1.9' }));
    return 0;
  } catch (error) {
    assert.ok(error instanceof DecodeError, String(error));
    return 1;
  }
}
