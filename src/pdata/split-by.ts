// SPDX-License-Identifier: Apache-2.0
import type { Profile, ProfilesBatch, ResourceProfiles, ScopeProfiles } from './profiles-batch.ts';
import { SizeBound } from './size-bound.ts';
import { Cutter } from './split.ts';

/** A part of a batch that was split by bytes. */
export interface SizedPart {
  readonly batch: ProfilesBatch;
  /** False for one sample (or one empty profile) that may be larger than was asked even on its own. */
  readonly fits: boolean;
}

/**
 * Parts that take at most `maxBytes` as OTLP protobuf, in order, in one pass: what a sample adds is
 * bounded from above by its columns, so a part may be somewhat smaller than it could. Even a part that is
 * the whole is made anew, for the bytes that the batch came in may be larger than they need be. A profile
 * is cut between samples; its original payload goes with the first part of it. No part where there is no
 * profile.
 */
export function splitBySize(batch: ProfilesBatch, maxBytes: number): SizedPart[] {
  const splitter = new SizeSplitter(batch, maxBytes);
  for (const { resource, scope, profile } of batch.profiles()) splitter.add(resource, scope, profile);
  return splitter.finish();
}

class SizeSplitter {
  readonly #maxBytes: number;
  readonly #bound: SizeBound;
  readonly #cutter: Cutter;
  readonly #parts: SizedPart[] = [];
  #bytes: number;
  #isEmpty = true;
  #resource: ResourceProfiles | undefined;
  #scope: ScopeProfiles | undefined;

  constructor(batch: ProfilesBatch, maxBytes: number) {
    this.#maxBytes = maxBytes;
    this.#bound = new SizeBound(batch.dictionary);
    this.#cutter = new Cutter(batch);
    this.#bytes = this.#bound.begin() + batch.unknown.length;
  }

  add(resource: ResourceProfiles, scope: ScopeProfiles, profile: Profile): void {
    const { samples } = profile;
    const { length } = samples;
    let from = 0;
    let entered = false;
    for (let i = 0; i < Math.max(length, 1); i++) {
      const cost = (): number =>
        (entered ? 0 : this.#enter(resource, scope, profile, i === 0)) +
        (length === 0 ? 0 : this.#bound.sample(samples, i));
      let bytes = cost();
      if (!this.#isEmpty && this.#bytes + bytes > this.#maxBytes) {
        if (i > from) this.#cutter.addRange(resource, scope, profile, from, i);
        this.#close();
        from = i;
        entered = false;
        bytes = cost();
      }
      entered = true;
      this.#resource = resource;
      this.#scope = scope;
      this.#isEmpty = false;
      this.#bytes += bytes;
    }
    this.#cutter.addRange(resource, scope, profile, from, length);
  }

  finish(): SizedPart[] {
    if (!this.#isEmpty) this.#close();
    return this.#parts;
  }

  /** What stands around the samples of a profile and is not in the part yet. */
  #enter(resource: ResourceProfiles, scope: ScopeProfiles, profile: Profile, withPayload: boolean): number {
    return (
      (this.#resource === resource ? 0 : this.#bound.resource(resource)) +
      (this.#resource === resource && this.#scope === scope ? 0 : this.#bound.scope(scope)) +
      this.#bound.profile(profile, withPayload)
    );
  }

  #close(): void {
    this.#parts.push({ batch: this.#cutter.finish(), fits: this.#bytes <= this.#maxBytes });
    this.#bytes = this.#bound.begin();
    this.#isEmpty = true;
    this.#resource = undefined;
    this.#scope = undefined;
  }
}

/**
 * One batch a key, keys in order of first appearance; each carries only the dictionary rows that it
 * references. The same batch where all resources have one key. Resources without a profile are left out.
 */
export function splitByResource(
  batch: ProfilesBatch,
  keyOf: (resource: ResourceProfiles) => string,
): Map<string, ProfilesBatch> {
  const groups = new Map<string, ResourceProfiles[]>();
  for (const resource of batch.resources) {
    const key = keyOf(resource);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [resource]);
    else group.push(resource);
  }
  const [only] = groups.keys();
  if (groups.size === 1 && only !== undefined) return new Map([[only, batch]]);
  const cutter = new Cutter(batch);
  const parts = new Map<string, ProfilesBatch>();
  for (const [key, resources] of groups) {
    for (const resource of resources) cutter.addResource(resource);
    const part = cutter.finish();
    if (part.resources.length > 0) parts.set(key, part);
  }
  return parts;
}
