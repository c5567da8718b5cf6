// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { gzipSync } from 'node:zlib';
import { describe, it } from 'node:test';
import { Random } from '../../../internal/testing/otlp-random.ts';
import { intValue } from '../../../pdata/any-value.ts';
import { DictionaryBuilder } from '../../../pdata/dictionary-builder.ts';
import { profile, ProfilesBatch } from '../../../pdata/profiles-batch.ts';
import { SamplesBuilder } from '../../../pdata/samples.ts';
import { listAt } from '../../../pdata/tables.ts';
import { decodePprof } from '../decode.ts';
import { PprofDeferral } from '../defer.ts';
import { encodePprof } from '../encode.ts';
import { type PprofDelta, pprofDelta } from './delta.ts';
import { decodedTotals, fileDelta, type FileTotals } from './file-delta.ts';
import { TotalsStore } from './totals-store.ts';

const MEMORY = ['alloc_objects/count', 'alloc_space/bytes', 'inuse_objects/count', 'inuse_space/bytes'];

/** One sample: functions from the leaf, the label "bytes" if any, a value of each type. */
interface Row {
  readonly stack: string;
  readonly bytes?: number;
  readonly values: readonly (number | bigint)[];
}

/** A pprof file of these rows; `seed` decides how rows of its tables are numbered. */
function file(rows: readonly Row[], types: readonly string[] = MEMORY, timeS = 0, seed = 0): Uint8Array {
  const d = new DictionaryBuilder();
  const random = new Random(seed);
  for (let i = random.below(5); i > 0; i--) d.function(d.string(`other${seed}${i}`), 0, 0, 0n);
  const columns = types.map(() => new SamplesBuilder());
  for (const { stack, bytes, values } of rows) {
    const locations = stack.split(';').map((name) => {
      const line = { function: d.function(d.string(name), 0, d.string('a.go'), 1n), line: 7n, column: 0n };
      return d.location(0, 0n, [], [line]);
    });
    const labels = bytes === undefined ? [] : [d.attributeOf('bytes', intValue(bytes), 'bytes')];
    columns.forEach((column, c) => column.add(d.stack(locations), 0, labels, [BigInt(values[c] ?? 0)], []));
  }
  const profiles = types.map((type, c) => {
    const [name = '', unit = ''] = type.split('/');
    return profile({
      sampleType: { type: d.string(name), unit: d.string(unit) },
      timeUnixNano: BigInt(timeS) * 1_000_000_000n,
      samples: (columns[c] ?? new SamplesBuilder()).build(),
    });
  });
  return encodePprof(d.build(), profiles);
}

/** What a batch says: lines "type stack label value", zeros left out, in order. */
function lines(batch: ProfilesBatch | undefined): string[] {
  const out: string[] = [];
  for (const { profile: p } of batch?.profiles() ?? []) {
    const { dictionary: d } = batch as ProfilesBatch;
    const { functions, locations, stacks } = d.tables;
    for (let i = 0; i < p.samples.length; i++) {
      if (p.samples.values[i] === 0n) continue;
      const names = [...listAt(stacks.locations, p.samples.stack[i] ?? 0)].map((location) =>
        d.text(functions.name[locations.lineFunction[locations.lineStart[location] ?? 0] ?? 0] ?? 0),
      );
      const labels = [...listAt(p.samples.attributes, i)].map((row) =>
        JSON.stringify(d.attributeValue(row), (_, v: unknown) => (typeof v === 'bigint' ? `${v}` : v)),
      );
      out.push([d.text(p.sampleType.type), names.join(';'), ...labels, p.samples.values[i]].join(' '));
    }
  }
  return out.sort();
}

interface Difference {
  readonly outcome: PprofDelta['outcome'];
  readonly totals: FileTotals;
  readonly batch: ProfilesBatch;
}

type Compare = (
  bytes: Uint8Array,
  last: FileTotals | undefined,
  first: 'skip' | 'send',
) => Promise<Difference | undefined>;

const inTypeScript: Compare = async (bytes, last, first) =>
  pprofDelta(decodePprof(bytes), decodedTotals(last), first);

const inTheAddon: Compare = async (bytes, last, first) => {
  const options = { maxBytes: 1 << 20, first, deferral: new PprofDeferral() };
  const file = bytes.length % 2 === 0 ? bytes : gzipSync(bytes);
  const delta = await fileDelta(file, last, options);
  if (delta === 'no totals') return undefined;
  const nothing = new ProfilesBatch(new DictionaryBuilder().build(), []);
  return delta && { ...delta, batch: delta.made?.batch ?? nothing };
};

const WAYS: readonly (readonly [string, Compare])[] = [
  ['in TypeScript', inTypeScript],
  ['in the addon', inTheAddon],
];
for (const [way, compare] of WAYS)
  describe(`the difference of two pprof files, ${way}`, () => {
    const difference = async (
      bytes: Uint8Array,
      last: FileTotals | undefined,
      first: 'skip' | 'send' = 'skip',
    ) => {
      const made = await compare(bytes, last, first);
      assert.ok(made !== undefined, 'no totals');
      return made;
    };

    it('subtracts totals and leaves what is in use', async () => {
      const first = await difference(
        file([{ stack: 'a;main', values: [10, 1000, 1, 100] }], MEMORY, 100),
        undefined,
      );
      assert.equal(first.outcome, 'first');
      assert.deepEqual(lines(first.batch), ['inuse_objects a;main 1', 'inuse_space a;main 100']);
      const rows = [
        { stack: 'a;main', values: [15, 1600, 3, 300] },
        { stack: 'b;main', values: [2, 20, 0, 0] },
      ];
      const next = await difference(file(rows, MEMORY, 115), first.totals);
      assert.equal(next.outcome, 'delta');
      assert.deepEqual(lines(next.batch), [
        'alloc_objects a;main 5',
        'alloc_objects b;main 2',
        'alloc_space a;main 600',
        'alloc_space b;main 20',
        'inuse_objects a;main 3',
        'inuse_space a;main 300',
      ]);
      const [{ profile: p } = { profile: undefined }] = next.batch.profiles();
      assert.equal(p?.durationNano, 15_000_000_000n);
      assert.equal(next.batch.profileCount, 4);
    });

    it('gives nothing of a first file without other types, unless told to send it', async () => {
      const contentions = file([{ stack: 'a', values: [3, 30] }], ['contentions/count', 'delay/nanoseconds']);
      assert.equal((await difference(contentions, undefined)).batch.sampleCount, 0);
      const sent = await difference(contentions, undefined, 'send');
      assert.deepEqual([sent.outcome, lines(sent.batch)], ['first', ['contentions a 3', 'delay a 30']]);
    });

    it('leaves out samples in which nothing changed', async () => {
      const types = ['contentions/count', 'delay/nanoseconds'];
      const before = await difference(
        file(
          [
            { stack: 'a', values: [3, 30] },
            { stack: 'b', values: [1, 1] },
          ],
          types,
        ),
        undefined,
      );
      const now = await difference(
        file(
          [
            { stack: 'b', values: [1, 1] },
            { stack: 'a', values: [4, 40] },
          ],
          types,
        ),
        before.totals,
      );
      assert.equal(now.batch.sampleCount, 2);
      assert.deepEqual(lines(now.batch), ['contentions a 1', 'delay a 10']);
    });

    it('knows stacks by what they say and labels apart', async () => {
      const types = ['alloc_space/bytes'];
      const before = await difference(
        file(
          [
            { stack: 'a', bytes: 16, values: [160] },
            { stack: 'a', bytes: 32, values: [320] },
          ],
          types,
          0,
          1,
        ),
        undefined,
      );
      const after = file(
        [
          { stack: 'a', bytes: 32, values: [352] },
          { stack: 'a', bytes: 16, values: [160] },
        ],
        types,
        0,
        9,
      );
      assert.deepEqual(lines((await difference(after, before.totals)).batch), [
        'alloc_space a {"kind":"int","value":"32"} 32',
      ]);
    });

    it('adds up samples that are listed twice', async () => {
      const types = ['alloc_space/bytes'];
      const before = await difference(file([{ stack: 'a', values: [5] }], types), undefined);
      const rows = [
        { stack: 'a', values: [4] },
        { stack: 'b', values: [1] },
        { stack: 'a', values: [3] },
      ];
      assert.deepEqual(lines((await difference(file(rows, types), before.totals)).batch), [
        'alloc_space a 2',
        'alloc_space b 1',
      ]);
    });

    it('takes a restart for one: what is there was added since', async () => {
      const types = ['alloc_space/bytes'];
      const grown = [
        { stack: 'a', values: [5_000_000_000_000n] },
        { stack: 'b', values: [70] },
      ];
      const before = (await difference(file(grown, types), undefined)).totals;
      const cases: readonly (readonly [readonly Row[], string[]])[] = [
        [
          [
            { stack: 'a', values: [4000] },
            { stack: 'b', values: [90] },
          ],
          ['alloc_space a 4000', 'alloc_space b 90'],
        ],
        [[{ stack: 'c', values: [9_000_000_000_000n] }], ['alloc_space c 9000000000000']],
        [[{ stack: 'b', values: [70] }], ['alloc_space b 70']],
        [[], []],
      ];
      for (const [rows, want] of cases) {
        const now = await difference(file(rows, types), before);
        assert.deepEqual([now.outcome, lines(now.batch)], ['reset', want]);
      }
    });

    it('takes a value that is smaller by a trifle for noise, and does not count it when it comes back', async () => {
      const types = ['delay/nanoseconds'];
      const at = (value: number) =>
        file(
          [
            { stack: 'a', values: [value] },
            { stack: 'b', values: [value] },
          ],
          types,
        );
      const first = await difference(at(1_000_000), undefined);
      const less = await difference(at(999_990), first.totals);
      assert.deepEqual([less.outcome, less.batch.sampleCount], ['delta', 0]);
      assert.deepEqual(lines((await difference(at(1_000_001), less.totals)).batch), [
        'delay a 1',
        'delay b 1',
      ]);
    });

    it('is exact in 64 bits', async () => {
      const types = ['alloc_space/bytes'];
      const big = 2n ** 62n;
      const before = await difference(file([{ stack: 'a', values: [big + 0xffff_ffffn] }], types), undefined);
      const now = await difference(
        file([{ stack: 'a', values: [big + 0x1_0000_0001n] }], types),
        before.totals,
      );
      assert.deepEqual(lines(now.batch), ['alloc_space a 2']);
    });

    it('has nothing to say of files without totals, and begins anew where the types are others', async () => {
      assert.equal(
        await compare(file([{ stack: 'a', values: [1] }], ['goroutine/count']), undefined, 'skip'),
        undefined,
      );
      const before = await difference(file([{ stack: 'a', values: [1] }], ['contentions/count']), undefined);
      const other = file([{ stack: 'a', values: [1, 2] }], ['contentions/count', 'delay/nanoseconds']);
      assert.equal((await difference(other, before.totals)).outcome, 'first');
    });

    it('agrees with a plain subtraction, however rows are numbered and ordered', async () => {
      for (let seed = 0; seed < 100; seed++) {
        const random = new Random(seed);
        const shuffled = <T>(list: readonly T[]): T[] =>
          list
            .map((item) => ({ item, key: random.u64() }))
            .sort((a, b) => (a.key < b.key ? -1 : 1))
            .map(({ item }) => item);
        const stacks = random.list(40, () =>
          Array.from({ length: 1 + random.below(4) }, () => `f${random.below(6)}`).join(';'),
        );
        const keys = [...new Set(stacks)];
        const totals = new Map(keys.map((key) => [key, 0]));
        let last = (await difference(file([], ['alloc_space/bytes']), undefined)).totals;
        for (let round = 1; round < 5; round++) {
          const added = new Map<string, number>();
          for (const key of keys) {
            const more = random.below(3) === 0 ? 1 + random.below(1000) : 0;
            added.set(key, more);
            totals.set(key, (totals.get(key) ?? 0) + more);
          }
          const rows = shuffled(keys.filter((key) => totals.get(key) !== 0)).map((stack) => ({
            stack,
            values: [totals.get(stack) ?? 0],
          }));
          const now = await difference(file(rows, ['alloc_space/bytes'], round, random.below(99)), last);
          const want = [...added]
            .filter(([, value]) => value > 0)
            .map(([key, value]) => `alloc_space ${key} ${value}`);
          assert.deepEqual(lines(now.batch), want.sort(), `seed ${seed}, round ${round}`);
          last = now.totals;
        }
      }
    });
  });

describe('a difference in the addon', () => {
  const bytes = file([{ stack: 'a', values: [1, 2, 3, 4] }]);
  const options = { maxBytes: bytes.length, first: 'send' } as const;

  it('is gzipped, unless what comes that way is looked into', async () => {
    const deferral = new PprofDeferral();
    const magics: unknown[] = [];
    for (let i = 0; i < 2; i++) {
      const delta = await fileDelta(bytes, undefined, { ...options, deferral });
      assert.ok(typeof delta === 'object' && delta.made !== undefined);
      magics.push(delta.made.file[0] === 0x1f && delta.made.file[1] === 0x8b);
      assert.equal(lines(delta.made.batch).length, 4);
    }
    assert.deepEqual(magics, [true, false]);
  });

  it('is left to TypeScript where the file is larger than may be, with and without gzip', async () => {
    const deferral = new PprofDeferral();
    for (const input of [bytes, gzipSync(bytes)]) {
      const maxBytes = bytes.length - 1;
      assert.ok((await fileDelta(input, undefined, { ...options, deferral })) !== undefined);
      assert.equal(await fileDelta(input, undefined, { ...options, maxBytes, deferral }), undefined);
    }
    const bomb = gzipSync(Buffer.alloc(3 << 20));
    assert.equal(await fileDelta(bomb, undefined, { ...options, maxBytes: 1 << 30, deferral }), undefined);
  });
});

describe('a store of totals', () => {
  it('lets go of what was set longest ago where it is full', async () => {
    const first = await inTypeScript(
      file([{ stack: 'a', values: [1] }], ['alloc_space/bytes']),
      undefined,
      'skip',
    );
    const totals = first?.totals ?? assert.fail();
    let evicted = 0;
    const store = new TotalsStore(2.5 * (totals.sizeBytes + 200), () => evicted++);
    for (const id of ['a', 'b', 'a', 'c']) store.set(id, totals);
    assert.deepEqual(
      [store.get('a'), store.get('b'), store.get('c'), evicted],
      [totals, undefined, totals, 1],
    );
    store.delete('a');
    store.delete('c');
    assert.equal(store.sizeBytes, 0);
    new TotalsStore(10, () => evicted++).set('x', totals);
    assert.equal(evicted, 2);
  });
});
