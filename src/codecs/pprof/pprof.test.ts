// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { DecodeError } from '../../internal/wire-reader.ts';
import { intValue, stringValue, valueToText } from '../../pdata/any-value.ts';
import { DictionaryBuilder } from '../../pdata/dictionary-builder.ts';
import { batchFromFolded, toFolded } from '../../pdata/folded.ts';
import { type Profile, profile, ProfilesBatch, withSamples } from '../../pdata/profiles-batch.ts';
import { SamplesBuilder } from '../../pdata/samples.ts';
import { listAt } from '../../pdata/tables.ts';
import { decodePprof } from './decode.ts';
import { encodePprof, groupForPprof } from './encode.ts';
import { PPROF } from './names.ts';
import { readPprof } from './read.ts';

const profilesOf = (batch: ProfilesBatch): Profile[] => [...batch.profiles()].map(({ profile: p }) => p);
const encode = (batch: ProfilesBatch): Uint8Array =>
  encodePprof(batch.dictionary, profilesOf(batch), {
    scopeAttributes: batch.resources[0]?.scopes[0]?.scope.attributes ?? [],
  });

/** A batch with everything that pprof can hold: two types, labels, links, mappings, inlined lines. */
function richBatch(): ProfilesBatch {
  const b = new DictionaryBuilder();
  const fn = (name: string): number =>
    b.function(b.string(name), b.string(`_Z${name}`), b.string(`${name}.c`), 7n);
  const buildId = b.attributeOf(PPROF.buildIdGnu, stringValue('abc123'));
  const mapping = b.mapping(0x1000n, 0x9000n, 0x200n, b.string('/usr/bin/shop'), [buildId]);
  const main = b.location(mapping, 0x1234n, [], [{ function: fn('main'), line: 12n, column: 3n }]);
  const inlined = b.location(
    mapping,
    0xffff_ffff_ffff_fff0n,
    [],
    [
      { function: fn('leaf'), line: 5n, column: 0n },
      { function: fn('work'), line: 9n, column: 0n },
    ],
  );
  const nameless = b.location(mapping, 0x4321n, [], []);
  const thread = b.attributeOf('thread.name', stringValue('worker'));
  const size = b.attributeOf('size', intValue(-64n), 'bytes');
  const link = b.link(
    Buffer.from('0102030405060708090a0b0c0d0e0f10', 'hex'),
    Buffer.from('a1a2a3a4a5a6a7a8', 'hex'),
  );
  const samples = [new SamplesBuilder(), new SamplesBuilder()];
  samples.forEach((s, i) => {
    s.add(b.stack([inlined, main]), 0, [thread, size], [BigInt(3 * (i + 1))], []);
    s.add(b.stack([nameless, main]), link, [], [-(2n ** 63n)], []);
  });
  const comment = b.attributeOf(PPROF.comment, {
    kind: 'array',
    value: [stringValue('one'), stringValue('two')],
  });
  const drop = b.attributeOf(PPROF.dropFrames, stringValue('runtime.*'));
  const types = [
    ['alloc_objects', 'count'],
    ['alloc_space', 'bytes'],
  ] as const;
  const profiles = types.map(([type, unit], i) =>
    profile({
      sampleType: { type: b.string(type), unit: b.string(unit) },
      periodType: { type: b.string('space'), unit: b.string('bytes') },
      period: 524_288n,
      timeUnixNano: 1_700_000_000_123_456_789n,
      durationNano: 10_000_000_000n,
      attributes: Int32Array.of(drop, comment),
      samples: (samples[i] as SamplesBuilder).build(),
    }),
  );
  const scope = {
    name: '',
    version: '',
    attributes: [{ key: PPROF.defaultSampleType, value: stringValue('alloc_objects') }],
    droppedAttributesCount: 0,
  };
  const resource = { attributes: [], droppedAttributesCount: 0, unknown: new Uint8Array(0) };
  return new ProfilesBatch(b.build(), [
    { resource, schemaUrl: '', scopes: [{ scope, schemaUrl: '', profiles }] },
  ]);
}

function labelsOf(batch: ProfilesBatch, sample: number): Record<string, string> {
  const samples = profilesOf(batch)[0]?.samples;
  if (samples === undefined) return {};
  const rows = Array.from(listAt(samples.attributes, sample));
  return Object.fromEntries(
    rows.map((r) => [batch.dictionary.attributeKey(r), valueToText(batch.dictionary.attributeValue(r))]),
  );
}

describe('pprof', () => {
  it('keeps stacks, values, labels, links, mappings and times through encode and decode', () => {
    const source = richBatch();
    const back = decodePprof(encode(source));
    assert.equal(toFolded(back), toFolded(source));
    assert.deepEqual(labelsOf(back, 0), { 'thread.name': 'worker', size: '-64' });
    assert.deepEqual(labelsOf(back, 1), {
      trace_id: '0102030405060708090a0b0c0d0e0f10',
      span_id: 'a1a2a3a4a5a6a7a8',
    });
    const [p] = profilesOf(back);
    assert.equal(p?.timeUnixNano, 1_700_000_000_123_456_789n);
    assert.equal(p.durationNano, 10_000_000_000n);
    assert.equal(p.period, 524_288n);
    const { mappings, locations } = back.dictionary.tables;
    assert.equal(back.dictionary.text(mappings.filename[1] ?? 0), '/usr/bin/shop');
    assert.equal(mappings.memoryLimit[1], 0x9000n);
    assert.ok(locations.address.includes(0xffff_ffff_ffff_fff0n));
    assert.ok(locations.lineColumn.includes(3n));
  });

  it('gives the same bytes when what it decoded is encoded again', () => {
    const once = encode(decodePprof(encode(richBatch())));
    const twice = encode(decodePprof(once));
    assert.deepEqual(Buffer.from(twice), Buffer.from(once));
  });

  it('puts the default type first and restores the order of the file', () => {
    const source = richBatch();
    const [rp] = source.resources;
    const [sp] = rp?.scopes ?? [];
    assert.ok(rp && sp);
    const attributes = [{ key: PPROF.defaultSampleType, value: stringValue('alloc_space') }];
    const file = encodePprof(source.dictionary, sp.profiles, { scopeAttributes: attributes });
    const back = decodePprof(file);
    const typeNames = profilesOf(back).map((p) => back.dictionary.text(p.sampleType.type));
    assert.deepEqual(typeNames, ['alloc_space', 'alloc_objects']);
    const again = decodePprof(encode(back));
    assert.equal(toFolded(again), toFolded(back));
    assert.deepEqual(again.resources[0]?.scopes[0]?.scope, back.resources[0]?.scopes[0]?.scope);
  });

  it('names the default type where types of the file have gone, and its order with them', () => {
    const { dictionary, resources } = richBatch();
    const { profiles = [] } = resources[0]?.scopes[0] ?? {};
    // Of a file with three types whose last is the default one, for it names none.
    const order = { kind: 'array', value: [2, 0, 1].map(intValue) } as const;
    const scopeAttributes = [{ key: PPROF.sampleTypeOrder, value: order }];
    const back = decodePprof(encodePprof(dictionary, profiles, { scopeAttributes }));
    const typeNames = profilesOf(back).map((p) => back.dictionary.text(p.sampleType.type));
    assert.deepEqual(typeNames, ['alloc_objects', 'alloc_space']);
  });

  it('names locations without a function after binary and address, unless told not to', () => {
    const source = richBatch();
    const names = (file: Uint8Array): number => decodePprof(file).dictionary.tables.functions.length - 1;
    assert.equal(names(encodePprof(source.dictionary, profilesOf(source))), 4);
    assert.equal(names(encodePprof(source.dictionary, profilesOf(source), { synthesizeNames: false })), 3);
    assert.match(Buffer.from(encode(source)).toString('latin1'), /shop\+0x4321/);
  });

  it('writes only what the samples reference', () => {
    const batch = batchFromFolded('main;work 3\nmain;idle 1');
    const [p] = profilesOf(batch);
    assert.ok(p);
    const samples = new SamplesBuilder();
    samples.add(p.samples.stack[0] ?? 0, 0, [], [3n], []);
    const file = encodePprof(batch.dictionary, [{ ...p, samples: samples.build() }]);
    assert.ok(!Buffer.from(file).includes('idle'));
    assert.equal(toFolded(decodePprof(file)), 'main;work 3');
  });

  it('counts timestamps where a sample has no value', () => {
    const batch = batchFromFolded('main 1');
    const [p] = profilesOf(batch);
    assert.ok(p);
    const samples = new SamplesBuilder();
    samples.add(p.samples.stack[0] ?? 0, 0, [], [], [1n, 2n, 3n]);
    assert.equal(
      toFolded(decodePprof(encodePprof(batch.dictionary, [{ ...p, samples: samples.build() }]))),
      'main 3',
    );
  });

  it('groups profiles that can share a file', () => {
    const source = richBatch();
    const [a, b] = profilesOf(source);
    assert.ok(a && b);
    assert.equal(groupForPprof([a, b]).length, 1);
    assert.equal(groupForPprof([a, withSamples(b, b.samples, { period: 1n })]).length, 2);
    const other = new SamplesBuilder();
    other.add(1, 0, [], [1n], []);
    assert.equal(groupForPprof([a, withSamples(b, other.build())]).length, 2);
    assert.throws(() => encodePprof(source.dictionary, [a, withSamples(b, other.build())]), RangeError);
  });

  it('turns labels of one key into a list and back', () => {
    const batch = batchFromFolded('main 1');
    const b = new DictionaryBuilder();
    const tags = b.attributeOf('tag', { kind: 'array', value: [stringValue('x'), stringValue('y')] });
    const samples = new SamplesBuilder();
    samples.add(0, 0, [tags], [1n], []);
    const [p] = profilesOf(batch);
    assert.ok(p);
    const empty = { type: 0, unit: 0 };
    const file = encodePprof(b.build(), [
      { ...p, sampleType: empty, periodType: empty, samples: samples.build() },
    ]);
    assert.deepEqual(labelsOf(decodePprof(file), 0), { tag: '["x","y"]' });
  });
});

describe('pprof decoder', () => {
  const good = encode(richBatch());

  it('reads gzip, and refuses what is larger than allowed without inflating it', async () => {
    assert.equal(toFolded(await readPprof(gzipSync(good))), toFolded(decodePprof(good)));
    assert.equal(toFolded(await readPprof(good)), toFolded(decodePprof(good)));
    const bomb = gzipSync(new Uint8Array(10_000_000));
    const isError = (reason: RegExp) => (e: unknown) => e instanceof DecodeError && reason.test(e.message);
    await assert.rejects(readPprof(bomb, { maxBytes: 1_000_000 }), isError(/larger than 1000000 bytes/));
    await assert.rejects(readPprof(good, { maxBytes: 10 }), isError(/larger than 10 bytes/));
    await assert.rejects(readPprof(gzipSync(good).subarray(0, 50)), isError(/not valid gzip/));
    assert.throws(() => decodePprof(gzipSync(good)), isError(/gzip data, which readPprof reads/));
  });

  it('names the rule that a file breaks', () => {
    const file = (...fields: number[][]): Uint8Array => Uint8Array.from(fields.flat());
    const noString = [0x32, 0];
    const type = [0x0a, 0];
    for (const [bytes, reason] of [
      [file(type), /no string table/],
      [file([0x32, 1, 0x61]), /first string is not empty/],
      [file(noString, [0x32, 1, 0xff]), /not valid UTF-8/],
      [file(noString, [0x12, 2, 0x10, 1]), /samples without a sample type/],
      [file(noString, type, [0x12, 4, 0x10, 1, 0x10, 1]), /sample has 2 values for 1 sample types/],
      [file(noString, type, [0x12, 4, 0x08, 9, 0x10, 1]), /location id 9 does not exist/],
      [file(noString, [0x22, 2, 0x08, 0]), /location has id 0/],
      [file(noString, [0x22, 2, 0x08, 1], [0x22, 2, 0x08, 1]), /location id 1 is used twice/],
      [file(noString, [0x22, 4, 0x08, 1, 0x10, 5]), /mapping id 5 does not exist/],
      [file(noString, [0x22, 6, 0x08, 1, 0x22, 2, 0x08, 3]), /function id 3 does not exist/],
      [file(noString, [0x70, 9]), /string index 9 is out of range \[0\.\.1\)/],
      [
        file(noString, [0x32, 1, 0x61], type, [0x12, 8, 0x10, 1, 0x1a, 4, 0x10, 1, 0x18, 1]),
        /label has a text and a number/,
      ],
    ] as const) {
      assert.throws(
        () => decodePprof(bytes),
        (e: unknown) => e instanceof DecodeError && reason.test(e.message),
        String(reason),
      );
    }
  });

  it('answers any bytes with a batch or a DecodeError', () => {
    const damaged = fc.tuple(fc.nat(good.length - 1), fc.nat(255)).map(([at, value]) => good.with(at, value));
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 200 }), damaged), (bytes) => {
        try {
          decodePprof(bytes);
        } catch (error) {
          assert.ok(error instanceof DecodeError, String(error));
        }
      }),
      { seed: 7, numRuns: 2_000 },
    );
  });
});
