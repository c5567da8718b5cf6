// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { otlpRequestType } from '../../internal/testing/otlp-proto.ts';
import { Random, randomOtlpRequest } from '../../internal/testing/otlp-random.ts';
import { randomOtlpWire } from '../../internal/testing/otlp-wire-random.ts';
import { packageRoot } from '../../internal/package-root.ts';
import { DecodeError, WireReader } from '../../internal/wire-reader.ts';
import { codecsAddon } from '../../native/codecs-addon.ts';
import {
  DictionaryFact as Fact,
  type OtlpFunctions,
  ProfilesFact,
  SamplesFact,
} from '../../native/otlp-functions.ts';
import { enter } from './fields.ts';
import { tableSizes } from './scan-dictionary.ts';
import { typescriptFunctions } from './scan.ts';

const addon = codecsAddon();
assert.ok(addon !== undefined, 'the codecs addon is not built: run "npm run setup"');
const native: OtlpFunctions = addon;

/** Rounds of each random test; more find more. */
const ROUNDS = Number(process.env.OTLP_NATIVE_ROUNDS ?? 300);
/** Captures of real producers that are not part of the repository. */
const CAPTURES = join(packageRoot(), '..', 'shared', 'data', 'otlp');

type Outcome = Readonly<Record<string, unknown>> | 'refused';
/** Columns as a fill wants them, by the facts of its scan. */
type Columns = readonly (Uint8Array | Int32Array | Uint32Array | BigInt64Array | BigUint64Array)[];

/** Everything that `functions` say about a ProfilesDictionary message. */
function dictionaryOf(functions: OtlpFunctions, bytes: Uint8Array, from: number, to: number): Outcome {
  const out = new Uint32Array(Fact.size);
  if (!functions.scanDictionary(bytes, from, to, out)) return 'refused';
  const rows = (field: number): number => out[Fact.rows + field] ?? 0;
  const ints = (n: number): Int32Array => new Int32Array(n);
  const starts = (n: number): Uint32Array => new Uint32Array(n);
  const unsigned = (n: number): BigUint64Array => new BigUint64Array(n);
  // Columns that a caller may do without: every other message does.
  const optional = (n: number): number => (to % 2 === 0 ? n : 0);
  const noted = (fact: number, n: number): BigInt64Array =>
    new BigInt64Array(out[fact] === 1 ? n : optional(n));
  const at = (field: number): [Uint8Array, number, number] => [
    bytes,
    out[Fact.first + field] ?? 0,
    out[Fact.last + field] ?? 0,
  ];
  const count = (fact: number): number => out[fact] ?? 0;
  const mapping = [
    unsigned(rows(1)),
    unsigned(rows(1)),
    unsigned(rows(1)),
    ints(rows(1)),
    starts(optional(rows(1) + 1)),
    ints(count(Fact.mappingAttributes)),
  ] as const;
  const lines = count(Fact.lines);
  const location = [
    ints(rows(2)),
    unsigned(rows(2)),
    starts(optional(rows(2) + 1)),
    ints(count(Fact.locationAttributes)),
    starts(optional(rows(2) + 1)),
    ints(lines),
    noted(Fact.lineNumbers, lines),
    noted(Fact.columns, lines),
  ] as const;
  const fn = [ints(rows(3)), ints(rows(3)), ints(rows(3)), noted(Fact.startLines, rows(3))] as const;
  const link = [new Uint8Array(rows(4) * 16), new Uint8Array(rows(4) * 8)] as const;
  const string = [starts(rows(5)), starts(rows(5))] as const;
  const attribute = [ints(rows(6)), ints(rows(6)), starts(rows(6)), starts(rows(6))] as const;
  const stack = [starts(rows(7) + 1), ints(count(Fact.frames))] as const;
  const filled = [
    functions.fillMappings(...at(1), ...mapping),
    functions.fillLocations(...at(2), ...location),
    functions.fillFunctions(...at(3), ...fn),
    functions.fillLinks(...at(4), ...link),
    functions.fillStrings(...at(5), ...string),
    functions.fillAttributes(...at(6), ...attribute),
    functions.fillStacks(...at(7), ...stack),
  ];
  assert.deepEqual(new Set(filled), new Set([true]), 'what a scan accepted can be read');
  return { out, mapping, location, fn, link, string, attribute, stack };
}

/** Everything that `functions` say about the resources of a request; `profiles` are where its profiles are. */
function profilesOf(
  functions: OtlpFunctions,
  bytes: Uint8Array,
  revision: number,
  rows: Uint32Array,
  resources: number,
  profiles: readonly (readonly [number, number])[],
): Outcome {
  const out = new Uint32Array(resources * ProfilesFact.perResource + ProfilesFact.size);
  if (!functions.scanProfiles(bytes, 0, bytes.length, revision, rows, out)) return 'refused';
  const samples = profiles.map(([from, to]) => samplesOf(functions, bytes, from, to, revision));
  return { out, samples };
}

function samplesOf(
  functions: OtlpFunctions,
  bytes: Uint8Array,
  from: number,
  to: number,
  revision: number,
): Columns {
  const out = new Uint32Array(SamplesFact.size);
  assert.ok(functions.countSamples(bytes, from, to, revision, out));
  const count = (fact: number): number => out[fact] ?? 0;
  const rows = count(SamplesFact.samples);
  const optional = (n: number): number => (to % 2 === 0 ? n : 0);
  const columns = [
    new Int32Array(rows),
    new Int32Array(count(SamplesFact.links) === 1 ? rows : optional(rows)),
    new Uint32Array(optional(rows + 1)),
    new Int32Array(count(SamplesFact.attributes)),
    new Uint32Array(optional(rows + 1)),
    new BigInt64Array(count(SamplesFact.values)),
    new Uint32Array(optional(rows + 1)),
    new BigUint64Array(count(SamplesFact.timestamps)),
  ] as const;
  assert.ok(functions.fillSamples(bytes, from, to, revision, ...columns));
  return [out, ...columns];
}

interface Layout {
  readonly dictionaries: readonly (readonly [number, number])[];
  readonly profiles: readonly (readonly [number, number])[];
  readonly resources: number;
}

/** Where the parts of a request are; undefined where even that cannot be found. */
function layoutOf(bytes: Uint8Array): Layout | undefined {
  const r = new WireReader(bytes, 'a request');
  const dictionaries: [number, number][] = [];
  const profiles: [number, number][] = [];
  let resources = 0;
  const each = (field: number, body: () => void): void => {
    while (r.next()) {
      if (r.field !== field) {
        r.skip();
        continue;
      }
      const outer = enter(r);
      body();
      r.pos = r.end;
      r.end = outer;
    }
  };
  const whole = (end: number): void => {
    r.pos = 0;
    r.end = end;
  };
  try {
    each(2, () => dictionaries.push([r.pos, r.end]));
    whole(bytes.length);
    each(1, () => {
      resources++;
      each(2, () => each(2, () => profiles.push([r.pos, r.end])));
    });
    return { dictionaries, profiles, resources };
  } catch (error) {
    if (error instanceof DecodeError) return undefined;
    throw error;
  }
}

/** Holds both implementations against each other; gives how many messages they accepted. */
class Differ {
  accepted = 0;
  refused = 0;

  #same(of: (functions: OtlpFunctions) => Outcome): Outcome {
    const expected = of(typescriptFunctions);
    assert.deepEqual(of(native), expected);
    if (expected === 'refused') this.refused++;
    else this.accepted++;
    return expected;
  }

  dictionary(bytes: Uint8Array, from = 0, to = bytes.length): Uint32Array | undefined {
    const outcome = this.#same((functions) => dictionaryOf(functions, bytes, from, to));
    return outcome !== 'refused' && outcome.out instanceof Uint32Array ? tableSizes(outcome.out) : undefined;
  }

  profiles(bytes: Uint8Array, revision: number, rows: Uint32Array): void {
    const layout = layoutOf(bytes);
    this.#same((functions) =>
      profilesOf(functions, bytes, revision, rows, layout?.resources ?? 100, layout?.profiles ?? []),
    );
  }

  request(bytes: Uint8Array): void {
    let rows: Uint32Array | undefined;
    for (const [from, to] of layoutOf(bytes)?.dictionaries ?? [])
      rows = this.dictionary(bytes, from, to) ?? rows;
    for (const revision of [0, 1, 2]) this.profiles(bytes, revision, rows ?? new Uint32Array(8).fill(7));
  }
}

function varint(value: number): Buffer {
  const out: number[] = [];
  let rest = value;
  for (; rest >= 0x80; rest >>>= 7) out.push((rest & 0x7f) | 0x80);
  return Buffer.from([...out, rest]);
}

/** A copy with a few bytes cut off, flipped, put in, taken out, said twice or counted up or down. */
function mutate(random: Random, bytes: Uint8Array): Uint8Array {
  let out = Buffer.from(bytes);
  for (let changes = 1 + random.below(3); changes > 0 && out.length > 0; changes--) {
    const at = random.below(out.length);
    const n = random.below(Math.min(12, out.length - at) + 1);
    const [before, piece, after] = [out.subarray(0, at), out.subarray(at, at + n), out.subarray(at + n)];
    switch (random.below(7)) {
      case 0:
        out = Buffer.from(before);
        break;
      case 1:
      case 2:
        out[at] = (out[at] ?? 0) ^ (1 << random.below(8));
        break;
      case 3:
        out = Buffer.concat([before, random.bytes(random.below(3)), piece, after]);
        break;
      case 4:
        out = Buffer.concat([before, after]);
        break;
      case 5:
        out = Buffer.concat([before, piece, piece, after]);
        break;
      default:
        out[at] = ((out[at] ?? 0) + [255, 1, 2, 254][random.below(4)]!) & 255;
    }
  }
  // Behind an offset, as a view of a larger buffer.
  const offset = random.below(9);
  const backing = new Uint8Array(offset + out.length + random.below(9)).fill(0xff);
  backing.set(out, offset);
  return backing.subarray(offset, offset + out.length);
}

const requests = (['1.8', '1.9', '1.10'] as const).flatMap((revision) => {
  const type = otlpRequestType(revision);
  return [1, 2, 3, 4].map(
    (seed) =>
      new Uint8Array(
        type.encode(type.fromObject(randomOtlpRequest(new Random(seed), revision === '1.10'))).finish(),
      ),
  );
});

describe('the native OTLP functions', () => {
  it('say what the reference says about requests with every field', () => {
    const differ = new Differ();
    for (const bytes of requests) differ.request(bytes);
    assert.ok(differ.accepted >= requests.length * 2);
  });

  it('say what the reference says about captures of real producers', () => {
    const files = existsSync(CAPTURES) ? readdirSync(CAPTURES).map((name) => join(CAPTURES, name)) : [];
    for (const file of files) {
      const differ = new Differ();
      const bytes = new Uint8Array(readFileSync(file));
      // Where messages stand behind a length, the first one is enough.
      const framed = file.endsWith('length-prefixed.otlp');
      const length = framed ? new DataView(bytes.buffer).getUint32(0) : bytes.length;
      differ.request(framed ? bytes.subarray(4, 4 + length) : bytes);
      assert.ok(differ.accepted >= 2, file);
    }
  });

  it('say what the reference says about mutated requests', () => {
    const random = new Random(11);
    const differ = new Differ();
    for (let round = 0; round < ROUNDS; round++) {
      differ.request(mutate(random, requests[round % requests.length] ?? new Uint8Array(0)));
    }
    assert.ok(differ.accepted > ROUNDS / 10 && differ.refused > ROUNDS / 10, JSON.stringify(differ));
  });

  it('say what the reference says about odd encodings, whole and mutated', () => {
    const random = new Random(12);
    const valid = new Differ();
    const hostile = new Differ();
    for (let round = 0; round < ROUNDS; round++) {
      const isValid = round % 2 === 0;
      const { dictionary, profiles, revision, rows } = randomOtlpWire(random, isValid ? undefined : 400);
      const differ = isValid ? valid : hostile;
      assert.deepEqual(differ.dictionary(dictionary) ?? rows, rows);
      differ.profiles(profiles, revision, rows);
      hostile.dictionary(mutate(random, dictionary));
      hostile.profiles(mutate(random, profiles), revision, rows);
    }
    assert.equal(valid.refused, 0);
    assert.ok(hostile.accepted > ROUNDS / 10 && hostile.refused > ROUNDS / 10, JSON.stringify(hostile));
  });

  it('say what the reference says about long stacks over large tables', () => {
    const random = new Random(14);
    const differ = new Differ();
    for (const rows of [100, 300, 16_000, 16_384, 70_000]) {
      const locations = Buffer.alloc(rows * 2, Buffer.of(0x12, 0));
      for (let round = 0; round < ROUNDS / 10; round++) {
        const narrow = Math.min(rows, 1 << random.below(18));
        const list = random.list(300, () => varint(random.below(random.below(10) === 0 ? rows : narrow)));
        // One row too far, now and then.
        if (random.below(2) === 0) list[random.below(list.length)] = varint(rows);
        const packed = Buffer.concat(list);
        const stack = Buffer.concat([Buffer.of(0x0a), varint(packed.length), packed]);
        const row = Buffer.concat([Buffer.of(0x3a), varint(stack.length), stack]);
        differ.dictionary(Buffer.concat([random.below(3) === 0 ? mutate(random, row) : row, locations]));
      }
    }
    assert.ok(differ.accepted > ROUNDS / 20 && differ.refused > ROUNDS / 20, JSON.stringify(differ));
  });

  it('agree with the reference on the longest varints and on torn lists', () => {
    const nine = Array<number>(9).fill(0x80);
    for (const [last, accepted] of [
      [0, 1],
      [1, 1],
      [2, 0],
      [3, 0],
      [0x7f, 0],
      [0x80, 0],
      [0x81, 0],
    ] as const) {
      const differ = new Differ();
      // The start line of a function, with and without bytes behind it.
      differ.dictionary(Uint8Array.of(0x1a, 11, 0x20, ...nine, last));
      differ.dictionary(Uint8Array.of(0x1a, 13, 0x20, ...nine, last, 0x08, 0));
      assert.equal(differ.accepted, accepted * 2, `tenth byte ${last}`);
    }
    for (let length = 0; length < 25; length++) {
      // A sample with a packed list of timestamps and the one value that it may have beside one or none.
      const sample = [0x20, 1, 0x2a, length, ...Array<number>(length).fill(7)];
      const profile = [0x12, sample.length, ...sample];
      const scope = [0x12, profile.length, ...profile];
      const resource = [0x12, scope.length, ...scope];
      const differ = new Differ();
      differ.profiles(Uint8Array.of(0x0a, resource.length, ...resource), 2, new Uint32Array(8).fill(1));
      assert.equal(differ.accepted, length === 0 || length === 8 ? 1 : 0, `${length} bytes`);
    }
  });

  it('agree with the reference on UTF-8, byte by byte', () => {
    const random = new Random(13);
    const differ = new Differ();
    const string = (text: Uint8Array): Uint8Array => Uint8Array.of(0x2a, text.length, ...text);
    for (let lead = 0x80; lead < 0x100; lead++) {
      for (const second of [0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xff]) {
        for (const rest of [[], [0x80], [0xbf], [0x80, 0xbf], [0x80, 0x7f], [0xc0, 0x80]]) {
          const before = Array<number>(random.below(20)).fill(0x61);
          differ.dictionary(string(Uint8Array.of(...before, lead, second, ...rest)));
        }
      }
    }
    assert.ok(differ.accepted > 300 && differ.refused > 300);
  });

  it('agree with the reference on how deep values nest', () => {
    for (const kind of [0x2a, 0x32]) {
      const differ = new Differ();
      for (let levels = 28; levels < 40; levels++) {
        let value: readonly number[] = [];
        const wrap = (tag: number): readonly number[] => [
          tag,
          (value.length & 0x7f) | 0x80,
          value.length >> 7,
          ...value,
        ];
        for (let level = 0; level < levels; level++) {
          if (kind === 0x32) value = wrap(0x12);
          value = wrap(0x0a);
          value = wrap(kind);
        }
        value = wrap(0x12);
        differ.dictionary(Uint8Array.from(wrap(0x32)));
      }
      assert.equal(differ.accepted, 5);
    }
  });

  it('refuse columns that do not fit, and write nothing beyond them', () => {
    const row = Uint8Array.of(0x3a, 0x05, 0x0a, 0x03, 1, 2, 3);
    const two = Buffer.concat([row, row]);
    const fill = (starts: number, locations: number): boolean =>
      native.fillStacks(two, 0, two.length, new Uint32Array(starts), new Int32Array(locations));
    assert.ok(fill(3, 6));
    for (const [starts, locations] of [
      [2, 6],
      [3, 5],
      [3, 7],
      [4, 6],
      [0, 6],
      [3, 0],
    ] as const) {
      assert.equal(fill(starts, locations), false);
    }
    const memory = new Int32Array(8).fill(-1);
    assert.equal(native.fillStacks(two, 0, two.length, new Uint32Array(3), memory.subarray(0, 5)), false);
    assert.deepEqual(memory.subarray(5), new Int32Array(3).fill(-1));
    assert.equal(native.scanProfiles(two, 0, two.length, 2, new Uint32Array(7), new Uint32Array(8)), false);
    assert.equal(native.scanDictionary(two, 0, two.length, new Uint32Array(Fact.size - 1)), false);
  });

  it('refuse arguments of other types and offsets outside of the bytes', () => {
    const out = new Uint32Array(Fact.size);
    const scan = (...args: unknown[]): unknown => Reflect.apply(native.scanDictionary, undefined, args);
    assert.throws(() => scan(), TypeError);
    assert.throws(() => scan('text', 0, 0, out), /argument 1 must be a Uint8Array/);
    assert.throws(() => scan(new Uint8Array(2), '0', 2, out), /argument 2 must be a number/);
    assert.throws(
      () => scan(new Uint8Array(2), 0, 2, new Int32Array(48)),
      /argument 4 must be a Uint32Array/,
    );
    for (const [from, to] of [
      [0, 3],
      [-1, 1],
      [2, 1],
      [0, Number.NaN],
      [0.5, 1],
      [0, 2 ** 32],
    ] as const) {
      assert.throws(() => scan(new Uint8Array(2), from, to, out), RangeError);
    }
    assert.throws(() => native.countSamples(new Uint8Array(0), 0, 0, 3, out), /WireRevision/);
  });

  it('take empty, offset and detached arrays', () => {
    const out = new Uint32Array(Fact.size);
    assert.ok(native.scanDictionary(new Uint8Array(0), 0, 0, out));
    assert.deepEqual(out, new Uint32Array(Fact.size));
    const bytes = Buffer.from('__\x2a\x01a__', 'latin1').subarray(2, 5);
    assert.ok(native.scanDictionary(bytes, 0, 3, out));
    assert.equal(out[Fact.rows + 5], 1);
    const [start, end] = [new Uint32Array(3), new Uint32Array(1)];
    assert.ok(native.fillStrings(bytes, 0, 3, start.subarray(1, 2), end));
    assert.deepEqual([...start, ...end], [0, 2, 0, 3]);

    const detached = new Uint8Array(8);
    structuredClone(detached, { transfer: [detached.buffer] });
    assert.ok(native.scanDictionary(detached, 0, 0, out));
    assert.throws(() => native.scanDictionary(detached, 0, 8, out), RangeError);
    const gone = new Uint32Array(Fact.size);
    structuredClone(gone, { transfer: [gone.buffer] });
    assert.equal(native.scanDictionary(bytes, 0, 3, gone), false);
  });
});
