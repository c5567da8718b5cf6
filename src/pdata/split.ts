// SPDX-License-Identifier: Apache-2.0
import { DictionaryBuilder } from './dictionary-builder.ts';
import {
  type Profile,
  ProfilesBatch,
  type ResourceProfiles,
  type ScopeProfiles,
  withProfiles,
  withSamples,
  withScopes,
} from './profiles-batch.ts';
import { Remapper } from './remap.ts';
import { selectSamples } from './samples.ts';

const NOTHING = new Uint8Array(0);

function withoutPayload(p: Profile): Profile {
  return withSamples(p, p.samples, { originalPayload: NOTHING, originalPayloadFormat: '' });
}

/**
 * Makes batches out of pieces of one, part after part; each part carries only the dictionary rows that
 * it references. Pieces are given in the order of the batch. What all parts together cost is linear in
 * what they reference.
 */
export class Cutter {
  #unknown: Uint8Array;
  #builder = new DictionaryBuilder();
  readonly #remap: Remapper;
  #resources: { source: ResourceProfiles; scopes: { source: ScopeProfiles; profiles: Profile[] }[] }[] = [];

  constructor(source: ProfilesBatch) {
    this.#unknown = source.unknown;
    this.#remap = new Remapper(source.dictionary, this.#builder);
  }

  /** Adds a profile, with these of its samples where they are given; rows refer to the source. */
  add(resource: ResourceProfiles, scope: ScopeProfiles, profile: Profile, samples = profile.samples): void {
    let target = this.#resources.at(-1);
    if (target?.source !== resource) {
      target = { source: resource, scopes: [] };
      this.#resources.push(target);
    }
    let targetScope = target.scopes.at(-1);
    if (targetScope?.source !== scope) {
      targetScope = { source: scope, profiles: [] };
      target.scopes.push(targetScope);
    }
    targetScope.profiles.push(this.#remap.profileWith(profile, this.#remap.samples(samples)));
  }

  /** Adds samples `from .. to` of a profile. Its original payload goes with the first. */
  addRange(
    resource: ResourceProfiles,
    scope: ScopeProfiles,
    profile: Profile,
    from: number,
    to: number,
  ): void {
    const isWhole = from === 0 && to === profile.samples.length;
    this.add(
      resource,
      scope,
      from === 0 ? profile : withoutPayload(profile),
      isWhole ? profile.samples : selectSamples(profile.samples, from, to),
    );
  }

  /** Adds all profiles of a resource. */
  addResource(resource: ResourceProfiles): void {
    for (const scope of resource.scopes)
      for (const profile of scope.profiles) this.add(resource, scope, profile);
  }

  /** What was added since the last time. */
  finish(): ProfilesBatch {
    const resources = this.#resources.map(({ source, scopes }) =>
      withScopes(
        source,
        scopes.map((s) => withProfiles(s.source, s.profiles)),
      ),
    );
    const part = new ProfilesBatch(this.#builder.build(), resources, this.#unknown);
    this.#unknown = NOTHING;
    this.#resources = [];
    this.#builder = new DictionaryBuilder();
    this.#remap.retarget(this.#builder);
    return part;
  }
}

/**
 * Parts of at most `maxSamples` sample records (at least 1), the first of at most `firstSamples`, in order. A
 * profile larger than that is cut between samples. The same batch where it fits.
 */
export function splitBatch(
  batch: ProfilesBatch,
  maxSamples: number,
  firstSamples = maxSamples,
): ProfilesBatch[] {
  let max = Math.max(1, firstSamples);
  if (batch.sampleCount <= max) return [batch];
  const parts: ProfilesBatch[] = [];
  const cutter = new Cutter(batch);
  let samples = 0;
  let profiles = 0;
  const close = (): void => {
    parts.push(cutter.finish());
    max = Math.max(1, maxSamples);
    samples = 0;
    profiles = 0;
  };
  for (const { resource, scope, profile } of batch.profiles()) {
    const { length } = profile.samples;
    let from = 0;
    do {
      if (samples >= max) close();
      const to = Math.min(length, from + max - samples);
      cutter.addRange(resource, scope, profile, from, to);
      samples += to - from;
      profiles++;
      from = to;
    } while (from < length);
  }
  if (profiles > 0) close();
  return parts;
}
