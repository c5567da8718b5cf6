// SPDX-License-Identifier: Apache-2.0
import type { Profile, ProfilesBatch, ResourceProfiles, ScopeProfiles } from './profiles-batch.ts';
import { selectSamples } from './samples.ts';
import { Cutter } from './split.ts';

/** Where a profile of a batch stands. */
export interface ProfilePlace {
  readonly resource: ResourceProfiles;
  readonly scope: ScopeProfiles;
  readonly profile: Profile;
  /** Place of the profile in its scope. */
  readonly profileIndex: number;
}

/** Where a sample of a batch stands: row `sample` of the columns of its profile. */
export interface SamplePlace extends ProfilePlace {
  readonly sample: number;
}

/**
 * Keeps the samples that `keep` accepts; profiles left empty go, and with them empty scopes, empty
 * resources and rows of the dictionary that nothing uses any more. Profiles that were empty before go as
 * well. The same batch where nothing goes.
 */
export function filterSamples(batch: ProfilesBatch, keep: (at: SamplePlace) => boolean): ProfilesBatch {
  return select(batch, ({ resource, scope, profile, profileIndex }) => {
    const { length } = profile.samples;
    const rows = new Int32Array(length);
    let kept = 0;
    for (let sample = 0; sample < length; sample++) {
      if (keep({ resource, scope, profile, profileIndex, sample })) rows[kept++] = sample;
    }
    return kept === 0 ? undefined : rows.subarray(0, kept);
  });
}

/**
 * Keeps the profiles that `keep` accepts, empty ones included; scopes and resources without a profile
 * go, as do rows of the dictionary that nothing uses any more. The same batch where nothing goes.
 */
export function filterProfiles(batch: ProfilesBatch, keep: (at: ProfilePlace) => boolean): ProfilesBatch {
  return select(batch, (at) => (keep(at) ? ALL : undefined));
}

/** Drops profiles without samples, and scopes and resources without profiles. */
export function dropEmpty(batch: ProfilesBatch): ProfilesBatch {
  return filterProfiles(batch, ({ profile }) => profile.samples.length > 0);
}

/** All samples of a profile. */
const ALL = Symbol('all');

/** `choose` gives the samples of a profile that stay, or undefined where the profile goes. */
function select(
  batch: ProfilesBatch,
  choose: (at: ProfilePlace) => Int32Array | typeof ALL | undefined,
): ProfilesBatch {
  const chosen: { at: ProfilePlace; rows: Int32Array | typeof ALL }[] = [];
  let isSame = true;
  for (const resource of batch.resources) {
    if (resource.scopes.length === 0) isSame = false;
    for (const scope of resource.scopes) {
      if (scope.profiles.length === 0) isSame = false;
      scope.profiles.forEach((profile, profileIndex) => {
        const at = { resource, scope, profile, profileIndex };
        const rows = choose(at);
        if (rows !== ALL && rows?.length !== profile.samples.length) isSame = false;
        if (rows !== undefined) chosen.push({ at, rows });
      });
    }
  }
  if (isSame) return batch;
  const cutter = new Cutter(batch);
  for (const { at, rows } of chosen) {
    const { samples } = at.profile;
    const isWhole = rows === ALL || rows.length === samples.length;
    const kept = isWhole ? samples : selectSamples(samples, 0, rows.length, rows);
    cutter.add(at.resource, at.scope, at.profile, kept);
  }
  return cutter.finish();
}
