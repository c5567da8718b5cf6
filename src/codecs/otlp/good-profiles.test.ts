// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { otlp17RequestType } from '../../internal/testing/otlp-1-7-proto.ts';
import { otlpMeaning, otlpRequestType } from '../../internal/testing/otlp-proto.ts';
import { Random, randomOtlpRequest } from '../../internal/testing/otlp-random.ts';
import { randomOtlpWire } from '../../internal/testing/otlp-wire-random.ts';
import { DecodeError, WireReader } from '../../internal/wire-reader.ts';
import { codecsAddon } from '../../native/codecs-addon.ts';
import { ProfilesFact } from '../../native/otlp-functions.ts';
import type { ProfilesBatch } from '../../pdata/profiles-batch.ts';
import { decodeOtlp, decodeOtlpDetailed, decodeOtlpLeniently } from './decode.ts';
import { encodeOtlp } from './encode.ts';
import { goodProfiles } from './good-profiles.ts';
import { decodeOtlpJsonLeniently } from './json.ts';
import { typescriptFunctions } from './scan.ts';

const native = codecsAddon();
assert.ok(native !== undefined, 'the codecs addon is not built: run "npm run setup"');
const IMPLEMENTATIONS = [native, typescriptFunctions];
const REVISIONS = ['1.8', '1.9', '1.10'] as const;
const TYPES = REVISIONS.map((revision) => otlpRequestType(revision));

function varint(value: number): Buffer {
  const out: number[] = [];
  let rest = value;
  for (; rest >= 0x80; rest = Math.floor(rest / 128)) out.push((rest & 0x7f) | 0x80);
  return Buffer.from([...out, rest]);
}

const len = (field: number, body: Uint8Array): Buffer =>
  Buffer.concat([varint((field << 3) | 2), varint(body.length), body]);

/** The message with each part of field 1 (request) or 2 run through `edit`; undefined leaves it out. */
function rebuilt(bytes: Uint8Array, field: number, edit: (part: Buffer) => Buffer | undefined): Buffer {
  const r = new WireReader(bytes, 'a request');
  const parts: Uint8Array[] = [];
  for (let at = r.pos; r.next(); at = r.pos) {
    if (r.field !== field) {
      r.skip();
      parts.push(bytes.subarray(at, r.pos));
      continue;
    }
    const edited = edit(Buffer.from(r.view()));
    if (edited !== undefined) parts.push(len(field, edited));
  }
  return Buffer.concat(parts);
}

/** The request with every Profile message run through `edit`. */
const withProfiles = (bytes: Uint8Array, edit: (profile: Buffer) => Buffer | undefined): Buffer =>
  rebuilt(bytes, 1, (resource) => rebuilt(resource, 2, (scope) => rebuilt(scope, 2, edit)));

/** What may be wrong inside a Profile of any revision; each makes it unreadable whatever it held. */
const FAULTS: readonly ((profile: Buffer, random: Random) => Buffer)[] = [
  (p, random) =>
    Buffer.concat([p, len(2, Buffer.of(0x08, ...varint(1_000 + random.below(2 ** 31 - 1_000))))]),
  // A sample without values and timestamps.
  (p) => Buffer.concat([len(2, Buffer.of(0x08, 0)), p]),
  (p) => (p.length === 0 ? Buffer.of(0x12) : p.subarray(0, -1)),
  (p) => Buffer.concat([p, Buffer.of(0x12, 0xff, 0xff, 0xff, 0xff, 0x0f)]),
  (p) => Buffer.concat([Buffer.alloc(11, 0xff), p]),
  (p, random) => Buffer.concat([p, varint((100 << 3) | [3, 4, 6, 7][random.below(4)]!)]),
  (p) => Buffer.concat([p, Buffer.of(0)]),
  // A negative string index in the sample type, and one out of range in the period type.
  (p) => Buffer.concat([p, len(1, Buffer.of(0x08, ...Array<number>(9).fill(0xff), 1))]),
  (p) => Buffer.concat([p, len(5, Buffer.of(0x10, 0xff, 0xff, 0x03))]),
  // A time as varint, as OTLP 1.7 has it.
  (p) => Buffer.concat([Buffer.of(0x18, 1), p]),
  (p, random) => Buffer.concat([p, len(2, random.bytes(3).fill(0x03))]),
];

function fault(profile: Buffer, random: Random): Buffer {
  return FAULTS[random.below(FAULTS.length)]!(profile, random);
}

const encode = (batch: ProfilesBatch): Uint8Array => encodeOtlp(batch, { revision: '1.10' });

const outcome = (run: () => unknown): unknown => {
  try {
    return run();
  } catch (error) {
    assert.ok(error instanceof DecodeError, String(error));
    return error.message;
  }
};

/** Profiles of 1.10 with one sample, for a dictionary whose tables have one row. */
const GOOD = len(2, Buffer.of(0x22, 1, 1));
const BAD = len(2, Buffer.of(0x08, 5, 0x22, 1, 1));

const BAD_OF_1_8 = len(2, Buffer.of(0x08, 5, 0x12, 1, 1));

/** A request with one scope a resource. */
const request = (resources: readonly (readonly Buffer[])[]): Buffer =>
  Buffer.concat([
    len(2, Buffer.of(0x2a, 0)),
    ...resources.map((profiles) => len(1, len(2, Buffer.concat(profiles.map((p) => len(2, p)))))),
  ]);

describe('a request with broken profiles', () => {
  it('means what it means without them, and how many there were is told', () => {
    const taken = [0, 0, 0];
    for (let seed = 0; seed < 300; seed++) {
      const random = new Random(seed);
      const isNewest = seed % 3 === 2;
      const type = TYPES[seed % 3]!;
      const request = randomOtlpRequest(random, isNewest);
      const whole = type.encode(type.fromObject(request)).finish();
      const isBroken: boolean[] = [];
      const broken = withProfiles(whole, (profile) => {
        isBroken.push(random.below(3) === 0);
        return isBroken.at(-1) === true ? fault(profile, random) : profile;
      });
      let i = 0;
      const rest = withProfiles(whole, (profile) => (isBroken[i++] === true ? undefined : profile));
      const rejected = isBroken.filter(Boolean).length;
      // A request of 1.8 may be so poor that nothing tells it apart.
      if (outcome(() => decodeOtlpDetailed(rest).revision) !== REVISIONS[seed % 3]) continue;
      const expected = decodeOtlp(rest);
      for (const functions of IMPLEMENTATIONS) {
        if (rejected > 0 && expected.sampleCount === 0) {
          assert.equal(
            outcome(() => decodeOtlpLeniently(broken, functions)),
            outcome(() => decodeOtlp(broken)),
          );
          continue;
        }
        const decoded = decodeOtlpLeniently(broken, functions);
        assert.equal(decoded.rejected?.profiles ?? 0, rejected, `seed ${seed}`);
        assert.deepEqual(encode(decoded.batch), encode(expected));
        if (isNewest) assert.equal(otlpMeaning(type, encode(decoded.batch)), otlpMeaning(type, rest));
        taken[Math.min(rejected, 2)]!++;
      }
    }
    assert.ok(Math.min(...taken) > 25, taken.join(' '));
  });

  it('keeps every other byte, also where no sane encoder wrote them', () => {
    let rejectedInAll = 0;
    for (let seed = 0; seed < 300; seed++) {
      const random = new Random(seed);
      const { profiles, revision, rows } = randomOtlpWire(random);
      const isBroken: boolean[] = [];
      const broken = withProfiles(profiles, (profile) => {
        isBroken.push(random.below(3) === 0);
        return isBroken.at(-1) === true ? fault(profile, random) : profile;
      });
      let i = 0;
      const rest = withProfiles(profiles, (profile) => (isBroken[i++] === true ? undefined : profile));
      const good = goodProfiles(broken, revision, rows);
      assert.deepEqual(Buffer.from(good.bytes), rest, `seed ${seed}`);
      assert.equal(good.rejected, isBroken.filter(Boolean).length);
      assert.equal(good.kept, isBroken.length - good.rejected);
      rejectedInAll += good.rejected;
      const facts = new Uint32Array(100 * ProfilesFact.perResource + ProfilesFact.size);
      for (const functions of IMPLEMENTATIONS) {
        assert.ok(functions.scanProfiles(good.bytes, 0, good.bytes.length, revision, rows, facts));
      }
    }
    assert.ok(rejectedInAll > 100);
  });

  it('is read the same by both implementations, or refused by both, with flipped bits', () => {
    const random = new Random(5);
    const count = { whole: 0, partly: 0, refused: 0 };
    for (let round = 0; round < 900; round++) {
      const type = TYPES[round % 3]!;
      const sound = randomOtlpRequest(new Random(round % 50), round % 3 === 2);
      const bytes = type.encode(type.fromObject(sound)).finish();
      for (let flips = random.below(4); flips > 0; flips--) {
        const at = random.below(bytes.length);
        bytes[at]! ^= 1 << random.below(8);
      }
      const [one, other] = IMPLEMENTATIONS.map((functions) =>
        outcome(() => {
          const { batch, ...told } = decodeOtlpLeniently(bytes, functions);
          count[told.rejected === undefined ? 'whole' : 'partly']++;
          return { ...told, bytes: encode(batch) };
        }),
      );
      assert.deepEqual(one, other);
      if (typeof one === 'string') count.refused++;
    }
    assert.ok(Math.min(...Object.values(count)) > 60, JSON.stringify(count));
  });

  it('is told of by number, first error and place', () => {
    const decoded = decodeOtlpLeniently(request([[GOOD, BAD, BAD], [GOOD]]));
    assert.equal(decoded.batch.sampleCount, 2);
    assert.deepEqual(decoded.rejected, {
      profiles: 2,
      message:
        'refused 2 of 4 profiles, the first because: invalid OTLP profiles at byte 20: stack index 5 is out of range [0..1)',
    });
    assert.deepEqual(
      IMPLEMENTATIONS.map((functions) => decodeOtlpLeniently(request([[GOOD]]), functions).rejected),
      [undefined, undefined],
    );
  });

  it('is refused by its first error where no sample is left', () => {
    for (const profiles of [
      [BAD, BAD],
      [BAD, Buffer.alloc(0)],
    ]) {
      assert.throws(() => decodeOtlpLeniently(request([profiles])), /stack index 5 is out of range/);
    }
  });

  it('loses all profiles of a resource that is broken itself, or whose scope is', () => {
    const bad = Buffer.of(0xff);
    const scope = Buffer.concat([len(2, GOOD), len(2, BAD)]);
    for (const broken of [
      Buffer.concat([len(2, scope), len(1, len(1, len(1, bad)))]),
      Buffer.concat([len(2, scope), len(3, bad)]),
      len(2, Buffer.concat([scope, len(3, bad)])),
      len(2, Buffer.concat([scope, len(1, len(1, bad))])),
    ]) {
      const bytes = Buffer.concat([request([[GOOD]]), len(1, broken), request([[GOOD, BAD]])]);
      const { batch, rejected } = decodeOtlpLeniently(bytes);
      assert.equal(batch.sampleCount, 2);
      assert.equal(batch.resources.length, 2);
      assert.equal(rejected?.profiles, 3);
    }
  });

  it('is refused as a whole where its profiles cannot be told apart, or no profile is at fault', () => {
    const good = request([[GOOD]]);
    for (const [fault, message] of [
      [len(1, len(2, Buffer.of(0x12, 9))), /length 9 runs past the end/],
      [len(1, Buffer.of(0x0b)), /wire type 3/],
      [len(1, len(3, Buffer.of(0xff))), /not valid UTF-8/],
      [len(2, len(2, Buffer.of(0x08, 5))), /mapping index 5/],
      [Buffer.of(0x0a, 9), /length 9 runs past the end/],
    ] as const) {
      assert.throws(() => decodeOtlpLeniently(Buffer.concat([good, fault])), message);
    }
  });

  it('is refused where more than a thousand things are wrong, at no more cost than that', () => {
    const many = (n: number): Buffer => request([[GOOD, ...Array<Buffer>(n).fill(Buffer.of(7))]]);
    assert.equal(decodeOtlpLeniently(many(1_000)).rejected?.profiles, 1_000);
    assert.throws(() => decodeOtlpLeniently(many(1_001)), /field number 0|wire type 7/);
  });

  it('is refused where the broken ones alone said how to read the others', () => {
    const neutral = len(2, Buffer.of(0x29, 1, 0, 0, 0, 0, 0, 0, 0));
    const oldAndBroken = Buffer.concat([BAD_OF_1_8, Buffer.of(0x60, 0)]);
    assert.throws(
      () => decodeOtlpLeniently(request([[neutral, oldAndBroken]])),
      /stack index 5 is out of range/,
    );
    assert.equal(decodeOtlpLeniently(request([[neutral, BAD]])).rejected?.profiles, 1);
  });

  it('of OTLP 1.7 is refused as a whole', () => {
    const type = otlp17RequestType();
    const profile = (value: string[]): object => ({
      sampleType: [{}],
      timeNanos: '1',
      locationIndices: [0],
      sample: [{ locationsLength: 1, value }],
    });
    const profiles = [profile(['1']), profile(['1', '2'])];
    const dictionary = { stringTable: [''], locationTable: [{}] };
    const bytes = type
      .encode(type.fromObject({ resourceProfiles: [{ scopeProfiles: [{ profiles }] }], dictionary }))
      .finish();
    assert.throws(() => decodeOtlpLeniently(bytes), /revision 1\.7 at byte \d+: sample with 2 values/);
  });

  it('as JSON is read without them too', () => {
    const profile = (stackIndex: number): object => ({ samples: [{ stackIndex, values: ['1'] }] });
    const json = JSON.stringify({
      resourceProfiles: [{ scopeProfiles: [{ profiles: [profile(0), profile(7)] }] }],
      dictionary: { stringTable: [''] },
    });
    const { batch, rejected } = decodeOtlpJsonLeniently(json);
    assert.equal(batch.sampleCount, 1);
    assert.equal(rejected?.profiles, 1);
    assert.match(rejected.message, /^as protobuf: refused 1 of 2 profiles, .*stack index 7 is out of range/);
    assert.throws(() => decodeOtlpJsonLeniently(json.replace('["1"]', '["x"]')), /want an integer/);
  });
});
