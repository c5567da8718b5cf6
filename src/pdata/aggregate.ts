// SPDX-License-Identifier: Apache-2.0
import { clampInt64 } from '../internal/int64.ts';
import { type Profile, type ProfilesBatch, withProfiles, withSamples, withScopes } from './profiles-batch.ts';
import { WordRows } from './rows.ts';
import { SamplesBuilder } from './samples.ts';
import { listAt, type Samples } from './tables.ts';

/**
 * The batch with samples of one identity (stack, set of attributes, link) and shape made one in each
 * profile, as the protocol asks: values are added up, timestamps gathered in order, each with its value.
 * Rows are told apart by index: `collectGarbage` comes first where a dictionary may hold equal rows. A sum
 * that 64 bits cannot hold begins a new sample. The same batch where no two samples are alike.
 */
export function mergeEqualSamples(batch: ProfilesBatch): ProfilesBatch {
  return batch.mapResources((rp) => {
    const scopes = rp.scopes.map((sp) => {
      const profiles = sp.profiles.map(merged);
      return profiles.every((p, i) => p === sp.profiles[i]) ? sp : withProfiles(sp, profiles);
    });
    return scopes.every((sp, i) => sp === rp.scopes[i]) ? rp : withScopes(rp, scopes);
  });
}

function merged(p: Profile): Profile {
  const { samples } = p;
  const groups = groupsOf(samples);
  if (groups.length === samples.length) return p;
  const builder = new SamplesBuilder();
  for (const group of groups) addGroup(builder, samples, group);
  return builder.length === samples.length ? p : withSamples(p, builder.build());
}

/** Samples of one identity and shape, in order of first appearance. */
function groupsOf(s: Samples): number[][] {
  const identities = new WordRows(s.length, s.length * 6);
  const groups: number[][] = [];
  for (let i = 0; i < s.length; i++) {
    const values = (s.valueStart[i + 1] ?? 0) - (s.valueStart[i] ?? 0);
    const times = (s.timestampStart[i + 1] ?? 0) - (s.timestampStart[i] ?? 0);
    // 0: timestamps alone, 1: one value alone, 2: both. What is neither keeps to itself.
    const isShape = times === 0 ? values === 1 : values === 0 || values === times;
    identities.push(isShape ? (times === 0 ? 1 : values === 0 ? 0 : 2) : -1 - i);
    identities.push(s.stack[i] as number);
    identities.push(s.link[i] as number);
    identities.pushAll([...new Set(listAt(s.attributes, i))].sort((a, b) => a - b));
    const identity = identities.intern();
    const group = groups[identity];
    if (group === undefined) groups.push([i]);
    else group.push(i);
  }
  return groups;
}

function addGroup(to: SamplesBuilder, s: Samples, group: readonly number[]): void {
  const [first] = group;
  if (first === undefined) return;
  const stack = s.stack[first] as number;
  const link = s.link[first] as number;
  const attributes = listAt(s.attributes, first);
  const values = (i: number): BigInt64Array => s.values.subarray(s.valueStart[i], s.valueStart[i + 1]);
  const times = (i: number): BigUint64Array =>
    s.timestamps.subarray(s.timestampStart[i], s.timestampStart[i + 1]);
  if (group.length === 1) {
    to.add(stack, link, attributes, values(first), times(first));
    return;
  }
  if (times(first).length === 0) {
    for (const sum of sums(group.map((i) => values(i)[0] ?? 0n))) to.add(stack, link, attributes, [sum], []);
    return;
  }
  const events = group.flatMap((i) => Array.from(times(i), (time, k) => ({ time, value: values(i)[k] })));
  events.sort((a, b) => (a.time < b.time ? -1 : a.time > b.time ? 1 : 0));
  const eventValues = events.flatMap(({ value }) => (value === undefined ? [] : [value]));
  to.add(
    stack,
    link,
    attributes,
    eventValues,
    events.map(({ time }) => time),
  );
}

/** The sum, or several that together are it where one does not fit. */
function sums(values: readonly bigint[]): bigint[] {
  const out: bigint[] = [];
  let sum = 0n;
  values.forEach((value, i) => {
    if (i > 0 && clampInt64(sum + value) !== sum + value) {
      out.push(sum);
      sum = 0n;
    }
    sum += value;
  });
  out.push(sum);
  return out;
}
