// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { loadAddon, type ProfilerAddon } from '../../src/native/addon.ts';
import { valueToText } from '../../src/pdata/any-value.ts';
import { getText } from '../../src/pdata/attributes.ts';
import { stackNames } from '../../src/pdata/folded.ts';
import type { Profile, ProfilesBatch } from '../../src/pdata/profiles-batch.ts';
import { configSchema } from '../../src/receivers/profiling/config.ts';
import { openSource, type ProfileSource } from '../../src/receivers/profiling/source.ts';

const scope = { name: 'test', version: '1', attributes: [], droppedAttributesCount: 0 };

/** What the profiler saw while something happened. */
export interface Recorded {
  readonly batch: ProfilesBatch | undefined;
  /** Figures after everything was stopped. */
  readonly stats: Record<string, number>;
  /** Samples of the batch, of those before it and of what was left at the stop. */
  readonly delivered: number;
}

/** Starts the profiler with keys of the receiver's configuration; not falling back to anything lesser. */
export async function startProfiler(
  options: Record<string, unknown>,
  addon: () => ProfilerAddon = loadAddon,
): Promise<ProfileSource> {
  const config = configSchema.parse({ samples_per_second: 199, ...options });
  return (await openSource(config, scope, false, addon)).source;
}

/** Profiles while `during` runs; what that collects is counted, too. */
export async function record(
  options: Record<string, unknown>,
  during: (source: ProfileSource) => Promise<unknown>,
  addon: () => ProfilerAddon = loadAddon,
): Promise<Recorded> {
  const source = await startProfiler(options, addon);
  let delivered = 0;
  const collect = async (): Promise<ProfilesBatch | undefined> => {
    const collected = await source.collect();
    delivered += collected?.eventCount ?? 0;
    return collected;
  };
  let batch: ProfilesBatch | undefined;
  try {
    await during({ ...source, collect });
    batch = await collect();
  } finally {
    await source.stop();
  }
  await collect();
  return { batch, stats: source.stats(), delivered };
}

/** Profiles of one process, all its programs. */
export function profilesOf(batch: ProfilesBatch | undefined, pid: number | undefined): Profile[] {
  return (batch?.resources ?? [])
    .filter((r) => getText(r.resource.attributes, 'process.pid') === String(pid))
    .flatMap((r) => r.scopes.flatMap((s) => s.profiles));
}

export const typeOf = (batch: ProfilesBatch | undefined, profile: Profile): string =>
  batch?.dictionary.text(profile.sampleType.type) ?? '';

/** Attributes of a profile as text. */
export function attributesOf(batch: ProfilesBatch | undefined, profile: Profile): Record<string, string> {
  return Object.fromEntries(
    [...profile.attributes].map((row) => [
      batch?.dictionary.attributeKey(row) ?? '',
      batch === undefined ? '' : valueToText(batch.dictionary.attributeValue(row)),
    ]),
  );
}

/** Stacks as `main;work`, one a sample. */
export const stacksOf = (batch: ProfilesBatch | undefined, profiles: readonly Profile[]): string[] =>
  profiles.flatMap((p) =>
    batch === undefined ? [] : [...p.samples.stack].map((s) => stackNames(batch.dictionary, s).join(';')),
  );

/** Every sample taken was delivered, or is in a counter that says why not. */
export function assertAddsUp({ stats, delivered }: Recorded): void {
  const dropped = Object.entries(stats).filter(([name]) => name.startsWith('drop_'));
  const sum = dropped.reduce((total, [, count]) => total + count, delivered);
  assert.equal(sum, stats['samples'], JSON.stringify({ delivered, ...Object.fromEntries(dropped) }));
}
