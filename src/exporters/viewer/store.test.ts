// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { batchFromFolded, type FoldedOptions } from '../../pdata/folded.ts';
import { DictionaryBuilder } from '../../pdata/dictionary-builder.ts';
import { FRACTION_ATTRIBUTE, profile, ProfilesBatch, resource } from '../../pdata/profiles-batch.ts';
import { SamplesBuilder } from '../../pdata/samples.ts';
import { ingest, type IngestResult, MAX_DEPTH } from './ingest.ts';
import { listServices, timeline, weighNodes } from './query.ts';
import { ProfileStore } from './store.ts';

const NOW = 1_700_000_000_000;
const MIB = 1 << 20;
const ALL = { fromMs: 0, untilMs: Number.MAX_SAFE_INTEGER };
const SAMPLES = { periodType: ['', ''] } as const satisfies FoldedOptions;

const newStore = (maxBytes = 32 * MIB, retentionMs = 600_000): ProfileStore =>
  new ProfileStore({ maxBytes, retentionMs });

function take(store: ProfileStore, batch: ProfilesBatch, nowMs = NOW): IngestResult {
  const steps = ingest(store, batch, () => nowMs);
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}

const at = (ms: number): Pick<FoldedOptions, 'timeUnixNano' | 'durationNano'> => ({
  timeUnixNano: BigInt(ms) * 1_000_000n,
  durationNano: 0n,
});

/** One CPU profile with a timestamp for each sample; `share` of all there was to sample. */
function timed(timesMs: readonly number[], values: readonly bigint[] = [], share?: number): ProfilesBatch {
  const b = new DictionaryBuilder();
  const location = b.location(
    0,
    0n,
    [],
    [{ function: b.function(b.string('f'), 0, 0, 0n), line: 7n, column: 0n }],
  );
  const samples = new SamplesBuilder();
  samples.add(
    b.stack([location]),
    0,
    [],
    values,
    timesMs.map((ms) => BigInt(ms) * 1_000_000n),
  );
  const count = { type: b.string('samples'), unit: b.string('count') };
  const made = profile({
    sampleType: count,
    samples: samples.build(),
    timeUnixNano: BigInt(NOW) * 1_000_000n,
    ...(share === undefined
      ? {}
      : { attributes: Int32Array.of(b.attributeOf(FRACTION_ATTRIBUTE, { kind: 'double', value: share })) }),
  });
  const scope = {
    scope: { name: '', version: '', attributes: [], droppedAttributesCount: 0 },
    schemaUrl: '',
    profiles: [made],
  };
  return new ProfilesBatch(b.build(), [{ resource: resource([]), schemaUrl: '', scopes: [scope] }]);
}

/** Many stacks that nothing else shares. */
function unique(prefix: string, count: number): string {
  return Array.from({ length: count }, (_, i) => `main;${prefix}_function_with_a_long_name_${i} 1`).join(
    '\n',
  );
}

describe('placing samples in time', () => {
  it('puts each timestamp into its slice, with its own value', () => {
    const store = newStore();
    take(store, timed([NOW - 9500, NOW - 9400, NOW - 3500], [5n, 6n, 7n]));
    const { weights, fromMs, stepMs } = timeline(store, ALL, NOW);
    const weightAt = (ms: number): number | undefined => weights[Math.floor((ms - fromMs) / stepMs)];
    assert.equal(weightAt(NOW - 9500), 11);
    assert.equal(weightAt(NOW - 3500), 7);
    assert.equal(
      weights.reduce((a, b) => a + b, 0),
      18,
    );
  });

  it('counts one for each timestamp where there are no values', () => {
    const store = newStore();
    assert.deepEqual(take(store, timed([NOW - 2500, NOW - 1500])), { events: 2, misplaced: 0 });
    assert.equal(weighNodes(store, ALL).total, 2);
  });

  it('puts a profile without timestamps where it ends', () => {
    const store = newStore();
    const batch = batchFromFolded('a 3', {
      ...SAMPLES,
      timeUnixNano: BigInt(NOW - 15_000) * 1_000_000n,
      durationNano: 10_000_000_000n,
    });
    take(store, batch);
    assert.equal(weighNodes(store, { fromMs: NOW - 5000, untilMs: NOW - 4000 }).total, 3);
    assert.equal(weighNodes(store, { fromMs: NOW - 4000, untilMs: NOW }).total, 0);
  });

  it('shows samples of another time at their arrival and counts them', () => {
    const store = newStore();
    const result = take(store, batchFromFolded('a 3', { ...SAMPLES, ...at(NOW - 86_400_000) }));
    assert.deepEqual(result, { events: 1, misplaced: 1 });
    assert.equal(weighNodes(store, { fromMs: NOW - 1000, untilMs: NOW + 1000 }).total, 3);
  });

  it('turns CPU sample counts into time, so that sampling rates do not matter', () => {
    const store = newStore();
    take(store, batchFromFolded('a 3', { ...at(NOW), period: 10_000_000n }));
    take(store, batchFromFolded('a 6', { ...at(NOW), period: 5_000_000n }));
    assert.deepEqual(
      { ...weighNodes(store, ALL), self: 0 },
      { type: 'cpu:nanoseconds', self: 0, total: 60_000_000, threads: [['', 60_000_000]] },
    );
  });

  it('estimates the total where only a share was sampled, so that a thinned time is no dip', () => {
    const store = newStore();
    take(store, timed([NOW - 9500], [8n]));
    take(store, timed([NOW - 3500], [2n], 0.25));
    assert.deepEqual(
      timeline(store, ALL, NOW).weights.filter((weight) => weight > 0),
      [8, 8],
    );
    for (const odd of [0, -1, 2, Number.NaN, 1e-300]) {
      const other = newStore();
      take(other, timed([NOW - 3500], [2n], odd));
      assert.equal(weighNodes(other, ALL).total, 2, String(odd));
    }
  });

  it('counts only the newest profile of types that tell a state', () => {
    const store = newStore();
    const heap = {
      ...SAMPLES,
      sampleType: ['inuse_space', 'bytes'] as const,
      attributes: { 'service.name': 'a' },
    };
    take(store, batchFromFolded('a 100', { ...heap, ...at(NOW - 20_000) }));
    take(store, batchFromFolded('a 70', { ...heap, ...at(NOW - 5000) }));
    assert.equal(weighNodes(store, ALL).total, 70);
    assert.equal(weighNodes(store, { ...ALL, untilMs: NOW - 10_000 }).total, 100);
  });

  it('counts only the newest of those within one slice, whole, in whatever order they come', () => {
    // Slices of a day are 144 s long: a heap is scraped many times in one.
    const store = newStore(32 * MIB, 86_400_000);
    const start = Math.floor(NOW / store.sliceMs) * store.sliceMs;
    const heap = { ...SAMPLES, sampleType: ['inuse_space', 'bytes'] as const };
    const nowMs = start + 60_000;
    take(store, batchFromFolded('a 100\nb 5', { ...heap, ...at(start + 15_000) }), nowMs);
    take(store, batchFromFolded(unique('x', 1500), { ...heap, ...at(start + 45_000) }), nowMs);
    take(store, batchFromFolded('a 90', { ...heap, ...at(start + 30_000) }), nowMs);
    assert.equal(weighNodes(store, ALL).total, 1500);
    assert.equal(Math.max(...timeline(store, ALL, nowMs).weights), 1500);
    const other = { ...heap, attributes: { 'service.name': 'other' } };
    take(store, batchFromFolded('a 7', { ...other, ...at(start + 50_000) }), nowMs);
    assert.equal(weighNodes(store, ALL).total, 1507);
  });
});

describe('the byte budget', () => {
  it('drops the oldest slices, keeps the newest, and counts what went', () => {
    const store = newStore(MIB);
    for (let second = 60; second > 0; second--) {
      take(store, batchFromFolded(unique(`s${second}`, 500), { ...SAMPLES, ...at(NOW - second * 1000) }));
      assert.ok(store.bytes <= MIB, `${store.bytes} bytes held`);
    }
    assert.ok(store.evictedSlices > 0);
    assert.equal(store.evictedEvents + store.eventCount, 60 * 500);
    assert.equal(weighNodes(store, { fromMs: NOW - 1000, untilMs: NOW }).total, 500);
    assert.equal(weighNodes(store, { fromMs: NOW - 60_000, untilMs: NOW - 59_000 }).total, 0);
  });

  it('holds for one batch that is larger than the budget by itself', () => {
    const store = newStore(MIB);
    take(store, batchFromFolded(unique('x', 40_000), { ...SAMPLES, ...at(NOW) }));
    assert.ok(store.bytes <= MIB, `${store.bytes} bytes held`);
    assert.equal(store.evictedEvents + store.eventCount, 40_000);
  });

  it('frees interned names, frames, stacks and series together with their slices', () => {
    const store = newStore();
    take(
      store,
      batchFromFolded(unique('old', 2000), { ...SAMPLES, ...at(NOW), attributes: { 'service.name': 'old' } }),
    );
    const { nodeCount, stringCount } = store.tree;
    assert.ok(nodeCount > 2000 && stringCount > 2000);
    const later = NOW + 700_000;
    take(
      store,
      batchFromFolded('main;fresh 1', { ...SAMPLES, ...at(later), attributes: { 'service.name': 'new' } }),
      later,
    );
    store.trim(later);
    assert.equal(store.tree.nodeCount, 3);
    assert.equal(store.tree.frameCount, 3);
    assert.equal(store.tree.stringCount, 3);
    assert.deepEqual(
      [...store.series.entries()].map(([, s]) => s.service),
      ['new'],
    );
    assert.ok(store.bytes < 8000, `${store.bytes} bytes held`);
    assert.equal(store.evictedSlices, 0);
  });

  it('does not grow over hours of ever new stacks', () => {
    const store = newStore(32 * MIB, 60_000);
    let most = 0;
    for (let minute = 0; minute < 180; minute++) {
      const now = NOW + minute * 60_000;
      take(store, batchFromFolded(unique(`m${minute}`, 200), { ...SAMPLES, ...at(now) }), now);
      if (minute >= 5) most = Math.max(most, store.tree.nodeCount);
    }
    assert.ok(most <= 3 * 201, `${most} nodes held`);
  });

  it('gives the same answers before and after a compaction', () => {
    const store = newStore();
    take(store, batchFromFolded(unique('old', 300), { ...SAMPLES, ...at(NOW - 590_000) }));
    const stacks = 'main;work;malloc 3\nmain;idle 5';
    take(store, batchFromFolded(stacks, { ...SAMPLES, ...at(NOW), attributes: { 'service.name': 'a' } }));
    const before = listServices(store, NOW - 60_000, NOW + 2000).find((s) => s.service === 'a');
    const { generation } = store;
    const later = NOW + 30_000;
    store.trim(later);
    assert.notEqual(store.generation, generation);
    assert.deepEqual(listServices(store, NOW - 60_000, NOW + 2000), [before]);
    take(
      store,
      batchFromFolded(stacks, { ...SAMPLES, ...at(NOW), attributes: { 'service.name': 'a' } }),
      later,
    );
    assert.equal(weighNodes(store, { ...ALL, service: 'a' }).total, 16);
    assert.equal(store.tree.nodeCount, 5);
  });
});

describe('late and merged samples', () => {
  it('adds to a slice that was sealed', () => {
    const store = newStore();
    const options = { ...SAMPLES, ...at(NOW - 100_000) };
    take(store, batchFromFolded(unique('a', 64), options));
    take(store, batchFromFolded('main 1', { ...SAMPLES, ...at(NOW) }));
    take(store, batchFromFolded(unique('a', 70), options));
    assert.equal(weighNodes(store, { fromMs: NOW - 101_000, untilMs: NOW - 99_000 }).total, 134);
    assert.equal(store.slices()[0]?.length, 70);
  });

  it('keeps the weight of stacks deeper than the limit', () => {
    const store = newStore();
    const deep = Array.from({ length: MAX_DEPTH + 500 }, (_, i) => `f${i}`).join(';');
    take(store, batchFromFolded(`${deep} 9`, { ...SAMPLES, ...at(NOW) }));
    assert.equal(store.tree.nodeCount, MAX_DEPTH + 1);
    assert.equal(weighNodes(store, ALL).total, 9);
  });
});
