// SPDX-License-Identifier: Apache-2.0
import { DictionaryBuilder } from './dictionary-builder.ts';
import { ProfilesBatch, type ResourceProfiles, type ScopeProfiles } from './profiles-batch.ts';
import { Remapper } from './remap.ts';

/** One batch with everything the given ones have, under one dictionary without duplicates. O(rows). */
export function mergeBatches(batches: readonly ProfilesBatch[]): ProfilesBatch {
  const [first] = batches;
  if (first !== undefined && batches.length === 1) return first;
  const builder = new DictionaryBuilder();
  const resources: ResourceProfiles[] = [];
  for (const batch of batches) {
    const remap = new Remapper(batch.dictionary, builder);
    for (const rp of batch.resources) resources.push(remap.resourceProfiles(rp));
  }
  return new ProfilesBatch(builder.build(), resources);
}

/**
 * Parts of at most `maxSamples` sample records, in order. A profile larger than that is cut between
 * samples; each part carries only the dictionary rows it references.
 */
export function splitBatch(batch: ProfilesBatch, maxSamples: number): ProfilesBatch[] {
  if (batch.sampleCount <= maxSamples) return [batch];
  const parts: ProfilesBatch[] = [];
  let part = new Part(batch);
  const close = (): void => {
    parts.push(part.finish());
    part = new Part(batch);
  };
  for (const { resource, scope, profile } of batch.profiles()) {
    let from = 0;
    do {
      if (part.samples >= maxSamples) close();
      const to = Math.min(profile.samples.length, from + maxSamples - part.samples);
      part.add(resource, scope, part.remap.profile(profile, from, to), to - from);
      from = to;
    } while (from < profile.samples.length);
  }
  if (part.samples > 0 || parts.length === 0) close();
  return parts;
}

/** Keeps the samples that `keep` accepts; profiles, scopes and resources left empty go, as do unused rows. */
export function filterSamples(
  batch: ProfilesBatch,
  keep: (at: {
    resource: ResourceProfiles;
    scope: ScopeProfiles;
    profileIndex: number;
    sample: number;
  }) => boolean,
): ProfilesBatch {
  const part = new Part(batch);
  for (const resource of batch.resources) {
    for (const scope of resource.scopes) {
      scope.profiles.forEach((profile, profileIndex) => {
        const kept = part.remap.profile(profile, 0, profile.samples.length, (sample) =>
          keep({ resource, scope, profileIndex, sample }),
        );
        if (kept.samples.length > 0) part.add(resource, scope, kept, kept.samples.length);
      });
    }
  }
  return part.finish();
}

/** A batch under construction out of pieces of one source batch. */
class Part {
  readonly #builder = new DictionaryBuilder();
  readonly remap: Remapper;
  readonly #resources: {
    source: ResourceProfiles;
    scopes: { source: ScopeProfiles; profiles: ScopeProfiles['profiles'][number][] }[];
  }[] = [];
  samples = 0;

  constructor(batch: ProfilesBatch) {
    this.remap = new Remapper(batch.dictionary, this.#builder);
  }

  add(
    resource: ResourceProfiles,
    scope: ScopeProfiles,
    profile: ScopeProfiles['profiles'][number],
    samples: number,
  ): void {
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
    targetScope.profiles.push(profile);
    this.samples += samples;
  }

  finish(): ProfilesBatch {
    const resources = this.#resources.map(({ source, scopes }) => ({
      ...source,
      encodedScopes: undefined,
      scopes: scopes.map((s) => ({ ...s.source, profiles: s.profiles })),
    }));
    return new ProfilesBatch(this.#builder.build(), resources);
  }
}
