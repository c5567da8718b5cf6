// SPDX-License-Identifier: Apache-2.0
import { bareBatch } from '../../internal/testing/bare-batch.ts';
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { otlpMeaning, otlpRequestType, plainOtlp } from '../../internal/testing/otlp-proto.ts';
import { Random, randomOtlpRequest } from '../../internal/testing/otlp-random.ts';
import { stringValue } from '../../pdata/any-value.ts';
import { withAttribute } from '../../pdata/attributes.ts';
import { batchFromFolded, toFolded } from '../../pdata/folded.ts';
import { mergeBatches } from '../../pdata/merge.ts';
import { withResourceAttributes } from '../../pdata/profiles-batch.ts';
import { decodeOtlp, decodeOtlpDetailed } from './decode.ts';
import { encodeOtlp } from './encode.ts';

const FOLDED = 'main;idle 1\nmain;work;malloc 3';

const newest = otlpRequestType('1.10');

/** Encodes what a test writes down as protobuf JSON with protobufjs. */
function encode(request: object, revision: '1.8' | '1.9' | '1.10' = '1.10'): Uint8Array {
  const type = otlpRequestType(revision);
  return type.encode(type.fromObject(request)).finish();
}

describe('OTLP protobuf', () => {
  it('keeps stacks and weights in both revisions', () => {
    const batch = batchFromFolded(FOLDED, { attributes: { 'service.name': 'shop' } });
    for (const revision of ['1.10', '1.9'] as const) {
      const back = decodeOtlpDetailed(encodeOtlp(batch, { revision }));
      assert.equal(toFolded(back.batch), FOLDED);
      assert.equal(back.revision, revision);
    }
  });

  it('says of random requests what protobufjs says, read from bytes and written from columns', () => {
    for (let seed = 0; seed < 300; seed++) {
      const revision = seed % 2 === 0 ? '1.10' : '1.9';
      const type = otlpRequestTypes[revision];
      const original = type.encode(type.fromObject(randomOtlpRequest(new Random(seed), false))).finish();
      const decoded = decodeOtlpDetailed(original);
      if (decoded.batch.resources.some((rp) => rp.resource.unknown.length > 0)) unknownSeen++;
      // A request without samples is the same in both and read as today's.
      if (decoded.batch.sampleCount > 0) assert.equal(decoded.revision, revision, `seed ${seed}`);
      const written = encodeOtlp(bareBatch(decoded.batch), { revision });
      assert.equal(otlpMeaning(type, written), otlpMeaning(type, original), `seed ${seed}`);
    }
    assert.ok(unknownSeen > 10);
  });

  it('splices an untouched request byte for byte', () => {
    for (let seed = 0; seed < 100; seed++) {
      const original = encode(randomOtlpRequest(new Random(seed), false));
      const { batch } = decodeOtlpDetailed(original);
      const spliced = encodeOtlp(batch, { revision: '1.10' });
      const again = encodeOtlp(decodeOtlp(spliced), { revision: '1.10' });
      assert.deepEqual(again, spliced);
      assert.equal(otlpMeaning(newest, spliced), otlpMeaning(newest, original));
    }
  });

  it('re-encodes only the resource when its attributes change', () => {
    const original = encodeOtlp(batchFromFolded(FOLDED), { revision: '1.10' });
    // A field 99 in the dictionary and in the profile proves that both are copied, not written anew.
    const type = newest;
    const marked = mark(original);
    const batch = decodeOtlp(marked).mapResources((rp) =>
      withResourceAttributes(rp, withAttribute(rp.resource.attributes, 'host.name', stringValue('n1'))),
    );
    const out = encodeOtlp(batch, { revision: '1.10' });
    assert.equal(Buffer.from(out).toString('latin1').split('unknown!').length - 1, 2);
    assert.match(JSON.stringify(plainOtlp(type, out)), /"host\.name"/);
    assert.equal(toFolded(decodeOtlp(out)), FOLDED);
  });

  it('resolves references on receipt and writes them inline when asked', () => {
    for (let seed = 0; seed < 100; seed++) {
      const request = randomOtlpRequest(new Random(seed), true);
      const { batch } = decodeOtlpDetailed(encode(request));
      for (const options of [{ revision: '1.10', inlineReferences: true }, { revision: '1.9' }] as const) {
        const type = otlpRequestType(options.revision);
        const out = encodeOtlp(batch, options);
        assert.doesNotMatch(JSON.stringify(type.toObject(type.decode(out))), /stringValueStrindex/);
        const back = decodeOtlp(out);
        assert.deepEqual(
          back.resources.map((rp) => rp.resource.attributes),
          batch.resources.map((rp) => rp.resource.attributes),
        );
        for (let row = 0; row < batch.dictionary.tables.attributes.length; row++) {
          assert.deepEqual(back.dictionary.attributeValue(row), batch.dictionary.attributeValue(row));
        }
      }
    }
  });

  it('keeps references in the attribute table when the receiver knows them', () => {
    const request = {
      dictionary: {
        stringTable: ['', 'k', 'text'],
        attributeTable: [{}, { keyStrindex: 1, value: { stringValueStrindex: 2 } }],
      },
    };
    const batch = decodeOtlp(encode(request));
    assert.deepEqual(batch.dictionary.attributeValue(1), stringValue('text'));
    assert.match(
      JSON.stringify(plainOtlp(newest, encodeOtlp(batch, { revision: '1.10' }))),
      /stringValueStrindex/,
    );
    assert.match(
      JSON.stringify(plainOtlp(newest, encodeOtlp(bareBatch(batch), { revision: '1.9' }))),
      /"stringValue":"text"/,
    );
  });

  it('gives empty tables their zero row', () => {
    const batch = decodeOtlp(encode({ dictionary: { stringTable: ['', 'a'] } }));
    const plain = JSON.stringify(plainOtlp(newest, encodeOtlp(batch, { revision: '1.10' })));
    for (const table of ['mapping', 'location', 'function', 'link', 'attribute', 'stack']) {
      assert.match(plain, new RegExp(`"${table}Table":\\[\\{`));
    }
    assert.equal(batch.dictionary.tables.stacks.length, 1);
  });

  it('takes scalars that are not packed', () => {
    // Sample { attribute_indices: 0, 0  values: 7  timestamps: 1 } with one tag a number.
    const sample = [0x10, 0, 0x10, 0, 0x20, 7, 0x29, 1, 0, 0, 0, 0, 0, 0, 0];
    const profile = [0x12, sample.length, ...sample];
    const scope = [0x12, profile.length, ...profile];
    const resource = [0x12, scope.length, ...scope];
    const bytes = Uint8Array.from([0x0a, resource.length, ...resource, 0x12, 0]);
    const [first] = decodeOtlp(bytes).profiles();
    assert.deepEqual([...(first?.profile.samples.attributes.values ?? [])], [0, 0]);
    assert.deepEqual([...(first?.profile.samples.values ?? [])], [7n]);
    assert.deepEqual([...(first?.profile.samples.timestamps ?? [])], [1n]);
  });

  it('merges a dictionary that comes in pieces', () => {
    const strings = (...list: string[]): Uint8Array => encode({ dictionary: { stringTable: list } });
    const batch = decodeOtlp(Buffer.concat([strings('', 'a'), strings('b')]));
    assert.equal(batch.dictionary.text(2), 'b');
  });

  it('survives a merge of requests of different revisions', () => {
    const parts = (['1.10', '1.9'] as const).map((revision) =>
      decodeOtlp(encodeOtlp(batchFromFolded(FOLDED), { revision })),
    );
    const out = decodeOtlp(encodeOtlp(mergeBatches(parts), { revision: '1.9' }));
    assert.equal(toFolded(out), `${FOLDED}\n${FOLDED}`);
  });
});

const otlpRequestTypes = { '1.10': newest, '1.9': otlpRequestType('1.9') };
let unknownSeen = 0;

/** Adds field 99 "unknown!" to the dictionary and to the last ResourceProfiles. */
function mark(request: Uint8Array): Uint8Array {
  const field = Buffer.from([0x9a, 0x06, 8, ...Buffer.from('unknown!')]);
  const wrap = (tag: number): Buffer => Buffer.from([tag, field.length, ...field]);
  // Messages that come twice are merged by a protobuf reader; a resource that comes twice is another one.
  return Buffer.concat([request, wrap(0x12), wrap(0x0a)]);
}

describe('revisions of OTLP', () => {
  const sample = { stackIndex: 0, attributeIndices: [1], values: ['7'], timestampsUnixNano: ['5'] };
  const request = (fields: object): object => ({
    resourceProfiles: [{ scopeProfiles: [{ profiles: [fields] }] }],
    dictionary: { stringTable: [''], attributeTable: [{}, {}] },
  });

  it('are told apart by the numbering of samples', () => {
    for (const revision of ['1.9', '1.10'] as const) {
      for (const shape of [sample, { ...sample, timestampsUnixNano: [] }, { ...sample, values: [] }]) {
        const decoded = decodeOtlpDetailed(encode(request({ samples: [shape] }), revision));
        assert.equal(decoded.revision, revision);
        const [first] = decoded.batch.profiles();
        assert.deepEqual([...(first?.profile.samples.attributes.values ?? [])], [1]);
        assert.deepEqual([...(first?.profile.samples.values ?? [])], shape.values.map(BigInt));
      }
    }
  });

  it('are told apart where lists are not packed', () => {
    const message = (field: number, body: readonly number[]): number[] => [
      (field << 3) | 2,
      body.length,
      ...body,
    ];
    const dictionary = encode({
      dictionary: { stringTable: ['', ''], linkTable: [{}, {}], attributeTable: [{}, {}] },
    });
    for (const [revision, fields] of [
      // async-profiler and the Java agent of Pyroscope write a value and no attribute.
      ['1.10', [0x20, 7]],
      ['1.10', [0x10, 1, 0x20, 7]],
      ['1.10', [0x18, 1, 0x20, 7]],
      ['1.9', [0x10, 7]],
    ] as const) {
      const profiles = message(1, message(2, message(2, message(2, fields))));
      const decoded = decodeOtlpDetailed(Buffer.concat([Buffer.from(profiles), dictionary]));
      assert.equal(decoded.revision, revision, fields.join(' '));
      const [first] = decoded.batch.profiles();
      assert.deepEqual([...(first?.profile.samples.values ?? [])], [7n], fields.join(' '));
    }
  });

  it('1.8 is known by its profile fields, which are moved', () => {
    const fields = {
      samples: [sample],
      profileId: Buffer.alloc(16, 7),
      droppedAttributesCount: 2,
      attributeIndices: [1],
    };
    const decoded = decodeOtlpDetailed(encode(request(fields), '1.8'));
    assert.equal(decoded.revision, '1.8');
    const [first] = decodeOtlp(encodeOtlp(decoded.batch, { revision: '1.10' })).profiles();
    assert.deepEqual(Buffer.from(first?.profile.profileId ?? []), Buffer.alloc(16, 7));
    assert.equal(first?.profile.droppedAttributesCount, 2);
    assert.deepEqual([...(first?.profile.attributes ?? [])], [1]);
  });

  it('before 1.7 are refused by name', () => {
    const noDictionary = newest
      .encode(newest.fromObject({ ...request({ samples: [sample] }), dictionary: null }))
      .finish();
    assert.throws(() => decodeOtlp(noDictionary), /samples without a dictionary: OTLP 1\.3 to 1\.5/);
  });
});
