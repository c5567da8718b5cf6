// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { otlp17RequestType } from '../../internal/testing/otlp-1-7-proto.ts';
import { otlpRequestType } from '../../internal/testing/otlp-proto.ts';
import { Random, randomOtlpRequest } from '../../internal/testing/otlp-random.ts';
import { DecodeError } from '../../internal/wire-reader.ts';
import { valueToText } from '../../pdata/any-value.ts';
import type { Profile, ProfilesBatch } from '../../pdata/profiles-batch.ts';
import { listAt } from '../../pdata/tables.ts';
import { decodePprof } from '../pprof/decode.ts';
import { encodePprof } from '../pprof/encode.ts';
import { decodeOtlp17, isOtlp17 } from './legacy-1-7.ts';

const type = otlp17RequestType();
const encode = (request: object): Uint8Array => type.encode(type.fromObject(request)).finish();

const STRINGS = ['', 'main', 'work', 'inlined', 'app', 'alloc_objects', 'count', 'alloc_space', 'bytes'];
const DICTIONARY = {
  stringTable: [...STRINGS, 'thread.id', 'ms', 'a comment', 'cpu', 'nanoseconds', 'main.c'],
  functionTable: [
    {},
    { nameStrindex: 1, filenameStrindex: 14, startLine: '-7' },
    { nameStrindex: 2 },
    { nameStrindex: 3 },
  ],
  mappingTable: [
    {},
    {
      memoryStart: '4096',
      memoryLimit: '18446744073709551615',
      filenameStrindex: 4,
      hasFunctions: true,
      hasInlineFrames: true,
      attributeIndices: [1],
    },
  ],
  locationTable: [
    {
      mappingIndex: 1,
      address: '18446744073709551615',
      line: [{ functionIndex: 1, line: '5', column: '9' }],
      isFolded: true,
    },
    { mappingIndex: 1, line: [{ functionIndex: 3 }, { functionIndex: 2 }], attributeIndices: [0] },
    { mappingIndex: 0, address: '66' },
  ],
  linkTable: [{ traceId: Buffer.alloc(16, 1), spanId: Buffer.alloc(8, 2) }],
  attributeTable: [
    { key: 'thread.id', value: { intValue: '9007199254740993' } },
    { key: 'process.executable.build_id.gnu', value: { stringValue: 'abcd' } },
  ],
  attributeUnits: [{ attributeKeyStrindex: 9, unitStrindex: 10 }],
};

const PROFILE = {
  sampleType: [
    { typeStrindex: 5, unitStrindex: 6, aggregationTemporality: 1 },
    { typeStrindex: 7, unitStrindex: 8 },
  ],
  sample: [
    { locationsStartIndex: 0, locationsLength: 2, value: ['3', '-300'], attributeIndices: [0], linkIndex: 0 },
    { locationsStartIndex: 1, locationsLength: 2, value: ['1', '9223372036854775807'] },
    { value: ['2', '7'], timestampsUnixNano: ['18446744073709551615', '5'] },
  ],
  locationIndices: [1, 0, 2],
  timeNanos: '1700000000000000000',
  durationNanos: '60000000000',
  periodType: { typeStrindex: 12, unitStrindex: 13 },
  period: '-5',
  commentStrindices: [11],
  defaultSampleTypeIndex: 1,
  profileId: Buffer.alloc(16, 7),
  droppedAttributesCount: 4,
  originalPayloadFormat: 'jfr',
  originalPayload: Buffer.from('raw'),
  attributeIndices: [0],
};

const RESOURCE = {
  attributes: [{ key: 'service.name', value: { stringValue: 'shop' } }],
  droppedAttributesCount: 3,
  entityRefs: [{ type: 'host' }],
};
const SCOPE = { name: 'probe', version: '1', attributes: [{ key: 'k', value: { boolValue: true } }] };

const request = (profiles: readonly object[], dictionary: object | null = DICTIONARY): object => ({
  resourceProfiles: [
    { resource: RESOURCE, schemaUrl: 'r', scopeProfiles: [{ scope: SCOPE, schemaUrl: 's', profiles }] },
  ],
  ...(dictionary === null ? {} : { dictionary }),
});
const decode = (...profiles: object[]): ProfilesBatch => decodeOtlp17(encode(request(profiles)));

const profilesOf = (batch: ProfilesBatch): Profile[] => [...batch.profiles()].map(({ profile: p }) => p);
const typeOf = (batch: ProfilesBatch, p: Profile): string =>
  `${batch.dictionary.text(p.sampleType.type)}/${batch.dictionary.text(p.sampleType.unit)}`;
const attributesOf = (batch: ProfilesBatch, rows: Int32Array): string[] =>
  Array.from(rows, (row) => {
    const unit = batch.dictionary.text(batch.dictionary.tables.attributes.unit[row] ?? 0);
    return `${batch.dictionary.attributeKey(row)}=${valueToText(batch.dictionary.attributeValue(row))}${unit === '' ? '' : ` ${unit}`}`;
  });
const values = (p: Profile, i: number): bigint[] => [
  ...p.samples.values.subarray(p.samples.valueStart[i], p.samples.valueStart[i + 1]),
];
const timestamps = (p: Profile, i: number): bigint[] => [
  ...p.samples.timestamps.subarray(p.samples.timestampStart[i], p.samples.timestampStart[i + 1]),
];

describe('OTLP 1.7', () => {
  it('with several sample types becomes as many profiles, the default one first', () => {
    const batch = decode(PROFILE);
    const [space, objects] = profilesOf(batch);
    assert.ok(space && objects);
    assert.equal(typeOf(batch, space), 'alloc_space/bytes');
    assert.equal(typeOf(batch, objects), 'alloc_objects/count');
    assert.deepEqual([values(space, 0), values(objects, 0)], [[-300n], [3n]]);
    assert.deepEqual([values(space, 1), values(objects, 1)], [[9_223_372_036_854_775_807n], [1n]]);
    const attributes = batch.resources[0]?.scopes[0]?.scope.attributes ?? [];
    assert.deepEqual(
      attributes.map((a) => `${a.key}=${valueToText(a.value)}`),
      ['k=true', 'pprof.scope.default_sample_type=alloc_space', 'pprof.scope.sample_type_order=[1,0]'],
    );
    assert.equal(Buffer.from(space.profileId).toString('hex'), '07'.repeat(16));
    assert.equal(Buffer.from(space.originalPayload).toString(), 'raw');
    assert.equal(objects.profileId.length + objects.originalPayload.length, 0);
  });

  it('keeps what has a field today', () => {
    const batch = decode(PROFILE);
    const [rp] = batch.resources;
    assert.equal(rp?.schemaUrl, 'r');
    assert.equal(rp?.resource.droppedAttributesCount, 3);
    assert.ok((rp?.resource.unknown.length ?? 0) > 0);
    assert.deepEqual(
      [rp?.scopes[0]?.schemaUrl, rp?.scopes[0]?.scope.name, rp?.scopes[0]?.scope.version],
      ['s', 'probe', '1'],
    );
    for (const p of profilesOf(batch)) {
      assert.equal(p.timeUnixNano, 1_700_000_000_000_000_000n);
      assert.equal(p.durationNano, 60_000_000_000n);
      assert.equal(p.period, -5n);
      assert.equal(batch.dictionary.text(p.periodType.type), 'cpu');
      assert.equal(p.droppedAttributesCount, 4);
      assert.deepEqual(attributesOf(batch, p.attributes), [
        'thread.id=9007199254740993 ms',
        'pprof.profile.comment=["a comment"]',
      ]);
    }
  });

  it('turns ranges of locations into stacks, and row 0 of its tables is a real row', () => {
    const batch = decode(PROFILE);
    const { locations, stacks, mappings, links, functions } = batch.dictionary.tables;
    const [p] = profilesOf(batch);
    assert.ok(p);
    const [first = 0, second = 0, third = 0] = p.samples.stack;
    const frames = (stack: number): string[] =>
      Array.from(listAt(stacks.locations, stack), (row) =>
        Array.from(
          { length: (locations.lineStart[row + 1] ?? 0) - (locations.lineStart[row] ?? 0) },
          (_, i) =>
            batch.dictionary.text(
              functions.name[locations.lineFunction[(locations.lineStart[row] ?? 0) + i] ?? 0] ?? 0,
            ),
        ).join('<'),
      );
    assert.deepEqual(frames(first), ['inlined<work', 'main']);
    assert.deepEqual(frames(second), ['main', '']);
    assert.equal(third, 0);
    assert.equal(
      Buffer.from(links.spanIds.subarray((p.samples.link[0] ?? 0) * 8).subarray(0, 8)).toString('hex'),
      '02'.repeat(8),
    );
    assert.equal(p.samples.link[1], 0);
    assert.deepEqual(attributesOf(batch, listAt(p.samples.attributes, 0)), ['thread.id=9007199254740993 ms']);
    const [inlined = 0, main = 0] = listAt(stacks.locations, first);
    assert.deepEqual(attributesOf(batch, listAt(locations.attributes, main)), [
      'pprof.location.is_folded=true',
    ]);
    assert.deepEqual(attributesOf(batch, listAt(locations.attributes, inlined)), [
      'thread.id=9007199254740993 ms',
    ]);
    assert.equal(locations.address[main], 2n ** 64n - 1n);
    assert.deepEqual(attributesOf(batch, listAt(mappings.attributes, locations.mapping[main] ?? 0)), [
      'process.executable.build_id.gnu=abcd',
      'pprof.mapping.has_functions=true',
      'pprof.mapping.has_inline_frames=true',
    ]);
  });

  it('gives pprof back what it has of pprof', () => {
    const { attributeIndices: _, ...plain } = PROFILE;
    const batch = decode(plain);
    const scope = batch.resources[0]?.scopes[0];
    const again = decodePprof(
      encodePprof(batch.dictionary, scope?.profiles ?? [], {
        scopeAttributes: scope?.scope.attributes ?? [],
        synthesizeNames: false,
      }),
    );
    assert.deepEqual(
      profilesOf(again).map((p) => typeOf(again, p)),
      ['alloc_space/bytes', 'alloc_objects/count'],
    );
    const [p] = profilesOf(again);
    assert.ok(p);
    assert.deepEqual(attributesOf(again, p.attributes), ['pprof.profile.comment=["a comment"]']);
  });

  it('reads the shapes that its producers wrote as the shapes of today', () => {
    const one = { sampleType: [{ typeStrindex: 5 }], locationIndices: [0] };
    const shape = (value: string[], timestampsUnixNano: string[]): [bigint[], bigint[]] => {
      const [p] = profilesOf(decode({ ...one, sample: [{ value, timestampsUnixNano }] }));
      assert.ok(p);
      return [values(p, 0), timestamps(p, 0)];
    };
    assert.deepEqual(shape(['7'], []), [[7n], []]);
    assert.deepEqual(shape(['7'], ['1']), [[7n], [1n]]);
    assert.deepEqual(shape(['1'], ['1', '2', '3']), [[], [1n, 2n, 3n]]);
    assert.deepEqual(shape(['3'], ['1', '2', '3']), [[], [1n, 2n, 3n]]);
    assert.deepEqual(shape([], ['1', '2']), [[], [1n, 2n]]);
    assert.deepEqual(shape(['8', '9'], ['1', '2']), [
      [8n, 9n],
      [1n, 2n],
    ]);
    assert.deepEqual(shape(['11'], ['1', '2', '3']), [
      [5n, 3n, 3n],
      [1n, 2n, 3n],
    ]);
    const [space, objects] = profilesOf(decode(PROFILE));
    assert.ok(space && objects);
    assert.deepEqual(
      [values(space, 2), values(objects, 2)],
      [
        [4n, 3n],
        [1n, 1n],
      ],
    );
    assert.deepEqual(timestamps(space, 2), [2n ** 64n - 1n, 5n]);
  });

  it('gives profiles of several types a scope of their own', () => {
    const single = { sampleType: [{ typeStrindex: 5 }], locationIndices: [0], sample: [{ value: ['1'] }] };
    const { defaultSampleTypeIndex: _, ...first } = PROFILE;
    const batch = decode(single, single, first, single);
    const scopes = batch.resources[0]?.scopes ?? [];
    assert.deepEqual(
      scopes.map((s) => s.profiles.length),
      [2, 2, 1],
    );
    assert.deepEqual(
      scopes.map((s) => s.scope.attributes.map((a) => a.key)),
      [['k'], ['k', 'pprof.scope.default_sample_type'], ['k']],
    );
    assert.ok(scopes.every((s) => s.scope.name === 'probe' && s.schemaUrl === 's'));
  });

  it('takes an empty profile, an empty scope and scalars that are not packed', () => {
    assert.equal(profilesOf(decode({ locationIndices: [0] })).length, 1);
    assert.equal(decode().resources[0]?.scopes.length, 1);
    // Profile { sample_type {}  location_indices: 0, 0  sample { length: 2  value: 7  timestamps: 1 } }, one tag a number.
    const fields = Buffer.from([0x0a, 0, 0x18, 0, 0x18, 0, 0x12, 6, 0x10, 2, 0x18, 7, 0x30, 1]);
    const wrap = (tag: number, inner: Buffer): Buffer =>
      Buffer.concat([Buffer.from([tag, inner.length]), inner]);
    const resource = wrap(0x0a, wrap(0x12, wrap(0x12, fields)));
    const message = Buffer.concat([resource, encode({ dictionary: DICTIONARY })]);
    assert.ok(isOtlp17(message));
    const [p] = profilesOf(decodeOtlp17(message));
    assert.ok(p);
    assert.deepEqual([values(p, 0), timestamps(p, 0)], [[7n], [1n]]);
  });
});

const withDictionary = (fields: object): Uint8Array =>
  encode(request([{ locationIndices: [0] }], { ...DICTIONARY, ...fields }));
const withSample = (fields: object): Uint8Array =>
  encode(request([{ sampleType: [{}], locationIndices: [0, 1], sample: [{ value: ['1'], ...fields }] }]));
const withProfile = (fields: object): Uint8Array => encode(request([{ locationIndices: [0], ...fields }]));

const REFUSED: Readonly<Record<string, readonly [Uint8Array, RegExp]>> = {
  'location of a profile': [
    withProfile({ locationIndices: [9] }),
    /location index 9 is out of range \[0\.\.3\)/,
  ],
  'negative location': [withProfile({ locationIndices: [-1] }), /negative index/],
  comment: [withProfile({ commentStrindices: [99] }), /string index 99/],
  'attribute of a profile': [withProfile({ attributeIndices: [9] }), /attribute index 9/],
  'sample type': [withProfile({ sampleType: [{ unitStrindex: 99 }] }), /string index 99/],
  'period type': [withProfile({ periodType: { typeStrindex: 99 } }), /string index 99/],
  'default sample type': [
    withProfile({ defaultSampleTypeIndex: 1 }),
    /default sample type 1 is out of range \[0\.\.0\)/,
  ],
  'profile id': [withProfile({ profileId: Buffer.alloc(3) }), /profile id of 3 bytes, want 16/],
  'negative time': [withProfile({ timeNanos: '-1' }), /negative time/],
  'negative duration': [withProfile({ durationNanos: '-1' }), /negative time/],
  'range of locations': [
    withSample({ locationsStartIndex: 1, locationsLength: 2 }),
    /locations \[1\.\.3\) of a sample are out of range \[0\.\.2\)/,
  ],
  'huge range': [
    withSample({ locationsStartIndex: 2147483647, locationsLength: 2147483647 }),
    /out of range \[0\.\.2\)/,
  ],
  'negative range': [withSample({ locationsLength: -1 }), /negative index/],
  'attribute of a sample': [withSample({ attributeIndices: [9] }), /attribute index 9/],
  link: [withSample({ linkIndex: 1 }), /link index 1 is out of range \[0\.\.1\)/],
  'too many values': [
    withSample({ value: ['1', '2'] }),
    /sample with 2 values and 0 timestamps: want 1 values/,
  ],
  'no value': [withSample({ value: [] }), /sample with 0 values and 0 timestamps/],
  'values and timestamps apart': [
    withSample({ value: ['1', '2'], timestampsUnixNano: ['1'] }),
    /2 values and 1 timestamps/,
  ],
  'values without a type': [withProfile({ sample: [{ value: ['1'] }] }), /want timestamps alone/],
  'first string': [withDictionary({ stringTable: ['x'] }), /first string is not empty/],
  'function of a line': [
    withDictionary({ locationTable: [{ line: [{ functionIndex: 9 }] }] }),
    /function index 9/,
  ],
  'mapping of a location': [withDictionary({ locationTable: [{ mappingIndex: 2 }] }), /mapping index 2/],
  'attribute of a location': [
    withDictionary({ locationTable: [{ attributeIndices: [2] }] }),
    /attribute index 2/,
  ],
  'file of a mapping': [withDictionary({ mappingTable: [{ filenameStrindex: 99 }] }), /string index 99/],
  'name of a function': [withDictionary({ functionTable: [{ systemNameStrindex: 99 }] }), /string index 99/],
  'key of a unit': [withDictionary({ attributeUnits: [{ attributeKeyStrindex: 99 }] }), /string index 99/],
  'trace id': [
    withDictionary({ linkTable: [{ traceId: Buffer.alloc(15) }] }),
    /trace id of 15 bytes, want 16/,
  ],
};

describe('hostile OTLP 1.7', () => {
  for (const [name, [bytes, message]] of Object.entries(REFUSED)) {
    it(`is refused for its ${name}`, () => {
      assert.throws(
        () => decodeOtlp17(bytes),
        (error: unknown) => error instanceof DecodeError && message.test(error.message) && error.offset > 0,
      );
    });
  }

  it('is refused without a dictionary, and says which revisions wrote so', () => {
    const bytes = encode(request([PROFILE], null));
    assert.ok(isOtlp17(bytes));
    assert.throws(
      () => decodeOtlp17(bytes),
      /OTLP 1\.3 to 1\.5 kept the tables inside each profile and a request of 1\.6 had none/,
    );
  });

  it('is refused where little input asks for much memory', () => {
    const overlapping = Array.from({ length: 3000 }, (_, i) => ({
      locationsStartIndex: i,
      locationsLength: 20_000,
      value: ['1'],
    }));
    const locationIndices = new Array<number>(25_000).fill(0);
    const types = Array.from({ length: 1000 }, () => ({}));
    const ones = new Array<string>(1000).fill('1');
    const times = new Array<string>(50_000).fill('1');
    for (const profile of [
      { sampleType: [{}], locationIndices, sample: overlapping },
      { sampleType: types, locationIndices, sample: [{ value: ones, timestampsUnixNano: times }] },
    ]) {
      assert.throws(() => decodeOtlp17(encode(request([profile]))), /more than 5 times the message/);
    }
  });

  it('is taken however large where it has the shape of real ones', () => {
    // As the eBPF profilers of that time sent it: a resource, a scope and a short profile a container.
    const NAMES = ['container.id', 'k8s.pod.name', 'k8s.namespace.name', 'k8s.node.name', 'service.name'];
    const attributes = (container: number): object[] =>
      NAMES.map((key) => ({ key, value: { stringValue: `${key} of a container ${container}` } }));
    const resourceProfiles = Array.from({ length: 5_000 }, (_, container) => ({
      resource: { attributes: attributes(container) },
      scopeProfiles: [
        {
          scope: { name: 'probe' },
          profiles: [
            {
              ...PROFILE,
              sampleType: [{ typeStrindex: 5, unitStrindex: 6 }],
              defaultSampleTypeIndex: 0,
              sample: Array.from({ length: 8 }, (_unused, i) => ({
                locationsStartIndex: 0,
                locationsLength: 1 + (i % 3),
                value: ['1'],
                attributeIndices: [0, 1],
                timestampsUnixNano: ['1700000000000000000'],
              })),
            },
          ],
        },
      ],
    }));
    const bytes = encode({ resourceProfiles, dictionary: DICTIONARY });
    assert.ok(bytes.length > 2_000_000, `${bytes.length} bytes`);
    assert.equal(decodeOtlp17(bytes).sampleCount, 40_000);
  });

  it('is refused or read, and never worse, when cut at any byte or with flipped bits', () => {
    const whole = encode(request([PROFILE]));
    let refused = 0;
    for (let end = 0; end < whole.length; end++) refused += outcome(whole.subarray(0, end));
    assert.ok(refused > whole.length * 0.9);
    const random = new Random(17);
    for (let round = 0; round < 10_000; round++) {
      const bytes = Uint8Array.from(whole);
      for (let flips = 1 + random.below(3); flips > 0; flips--) {
        const at = random.below(bytes.length);
        bytes[at] = (bytes[at] ?? 0) ^ (1 << random.below(8));
      }
      outcome(bytes);
    }
  });
});

function outcome(bytes: Uint8Array): 0 | 1 {
  try {
    assert.equal(typeof isOtlp17(bytes), 'boolean');
    for (const { profile: p } of decodeOtlp17(bytes).profiles())
      assert.equal(p.samples.stack.length, p.samples.length);
    return 0;
  } catch (error) {
    assert.ok(error instanceof DecodeError, String(error));
    return 1;
  }
}

describe('telling OTLP 1.7 from later revisions', () => {
  const alone = (profile: object): Uint8Array => encode(request([profile], {}));

  it('goes by any field that only one side can have', () => {
    for (const profile of [
      { locationIndices: [0] },
      { durationNanos: '1' },
      { periodType: { unitStrindex: 1 } },
    ]) {
      assert.ok(isOtlp17(alone(profile)), JSON.stringify(profile));
    }
    assert.ok(isOtlp17(alone({ sample: [{ linkIndex: 0 }] })));
    assert.ok(isOtlp17(encode({ dictionary: { attributeTable: [{}, { key: 'k' }] } })));
    assert.ok(isOtlp17(encode({ dictionary: { attributeUnits: [{}, { unitStrindex: 1 }] } })));
  });

  it('looks at a bounded number of fields that say nothing', () => {
    const profiles = [...Array<object>(300_000).fill({}), { locationIndices: [0] }];
    assert.ok(isOtlp17(encode(request(profiles.slice(-1_000), {}))));
    assert.equal(isOtlp17(encode(request(profiles, {}))), false);
  });

  it('takes no request of a later revision for one', () => {
    for (const revision of ['1.8', '1.9', '1.10'] as const) {
      const newer = otlpRequestType(revision);
      for (let seed = 0; seed < 100; seed++) {
        const bytes = newer.encode(newer.fromObject(randomOtlpRequest(new Random(seed), false))).finish();
        assert.equal(isOtlp17(bytes), false, `${revision}, seed ${seed}`);
      }
    }
  });

  it('takes later scalars that are not packed, and requests that say nothing, for later ones', () => {
    const dictionary = (field7: number[]): Uint8Array =>
      Uint8Array.from([0x12, field7.length + 2, 0x3a, field7.length, ...field7]);
    assert.equal(isOtlp17(dictionary([0x08, 1, 0x08, 2])), false);
    assert.equal(isOtlp17(dictionary([0x08, 1])), false);
    assert.equal(isOtlp17(dictionary([])), false);
    assert.equal(isOtlp17(new Uint8Array(0)), false);
    assert.equal(isOtlp17(alone({ sample: [{ value: ['1'] }] })), false);
  });
});
