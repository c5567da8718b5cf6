// SPDX-License-Identifier: Apache-2.0
import type { Attributes } from './attributes.ts';
import type { Dictionary, EncodedForm } from './dictionary.ts';
import type { Samples } from './tables.ts';

/** What a value counts and in which unit; both are string rows. */
export interface ValueType {
  readonly type: number;
  readonly unit: number;
}

/** One profile: samples of one type. All indices refer to the dictionary of the batch. */
export interface Profile {
  readonly sampleType: ValueType;
  readonly periodType: ValueType;
  readonly period: bigint;
  readonly timeUnixNano: bigint;
  readonly durationNano: bigint;
  /** 16 bytes, or none. */
  readonly profileId: Uint8Array;
  readonly droppedAttributesCount: number;
  /** Rows of the attribute table. */
  readonly attributes: Int32Array;
  readonly originalPayloadFormat: string;
  readonly originalPayload: Uint8Array;
  readonly samples: Samples;
  /** Fields of the message that this version does not know, as they came. */
  readonly unknown: Uint8Array;
}

export interface Scope {
  readonly name: string;
  readonly version: string;
  readonly attributes: Attributes;
  readonly droppedAttributesCount: number;
}

export interface ScopeProfiles {
  readonly scope: Scope;
  readonly schemaUrl: string;
  readonly profiles: readonly Profile[];
}

export interface Resource {
  readonly attributes: Attributes;
  readonly droppedAttributesCount: number;
  /** Fields of the Resource message that this version does not know (entity references …), as they came. */
  readonly unknown: Uint8Array;
}

export interface ResourceProfiles {
  readonly resource: Resource;
  readonly schemaUrl: string;
  readonly scopes: readonly ScopeProfiles[];
  /** All scope_profiles fields, tags included, as they came; dropped by whoever changes `scopes`. */
  readonly encodedScopes?: EncodedForm | undefined;
}

/**
 * What flows through a pipeline. Immutable: an edit makes a new batch that shares every column and
 * byte range that it did not change, so a batch may be handed to any number of consumers.
 */
export class ProfilesBatch {
  readonly dictionary: Dictionary;
  readonly resources: readonly ResourceProfiles[];
  #sampleCount = -1;
  #eventCount = -1;

  constructor(dictionary: Dictionary, resources: readonly ResourceProfiles[]) {
    this.dictionary = dictionary;
    this.resources = resources;
  }

  *profiles(): Generator<{ resource: ResourceProfiles; scope: ScopeProfiles; profile: Profile }> {
    for (const resource of this.resources) {
      for (const scope of resource.scopes) {
        for (const profile of scope.profiles) yield { resource, scope, profile };
      }
    }
  }

  /** Sample records, the unit in which the Collector counts. */
  get sampleCount(): number {
    if (this.#sampleCount < 0) {
      this.#sampleCount = 0;
      for (const { profile } of this.profiles()) this.#sampleCount += profile.samples.length;
    }
    return this.#sampleCount;
  }

  /** Sampled events: a record with n timestamps stands for n events, one without for one. */
  get eventCount(): number {
    if (this.#eventCount < 0) {
      this.#eventCount = 0;
      for (const { profile } of this.profiles()) this.#eventCount += eventsOf(profile.samples);
    }
    return this.#eventCount;
  }

  /** A batch whose resources are mapped; `undefined` drops one. The same batch where nothing changed. */
  mapResources(edit: (resource: ResourceProfiles) => ResourceProfiles | undefined): ProfilesBatch {
    let changed = false;
    const out: ResourceProfiles[] = [];
    for (const resource of this.resources) {
      const edited = edit(resource);
      changed ||= edited !== resource;
      if (edited !== undefined) out.push(edited);
    }
    return changed ? new ProfilesBatch(this.dictionary, out) : this;
  }
}

/** The same resource with other attributes; its scopes, and their bytes, are shared. */
export function withResourceAttributes(rp: ResourceProfiles, attributes: Attributes): ResourceProfiles {
  return attributes === rp.resource.attributes ? rp : { ...rp, resource: { ...rp.resource, attributes } };
}

function eventsOf(samples: Samples): number {
  let events = 0;
  for (let i = 0; i < samples.length; i++) {
    const n = (samples.timestampStart[i + 1] ?? 0) - (samples.timestampStart[i] ?? 0);
    events += n === 0 ? 1 : n;
  }
  return events;
}

/** Weight of sample `i`: the sum of its values, or its number of timestamps where it has none. */
export function weightOf(samples: Samples, i: number): bigint {
  const from = samples.valueStart[i] ?? 0;
  const to = samples.valueStart[i + 1] ?? 0;
  if (from === to) return BigInt((samples.timestampStart[i + 1] ?? 0) - (samples.timestampStart[i] ?? 0));
  let sum = 0n;
  for (let v = from; v < to; v++) sum += samples.values[v] ?? 0n;
  return sum;
}

const NOTHING = new Uint8Array(0);

/** A profile with every optional field at its default. */
export function profile(fields: Partial<Profile> & Pick<Profile, 'sampleType' | 'samples'>): Profile {
  return {
    periodType: { type: 0, unit: 0 },
    period: 0n,
    timeUnixNano: 0n,
    durationNano: 0n,
    profileId: NOTHING,
    droppedAttributesCount: 0,
    attributes: new Int32Array(0),
    originalPayloadFormat: '',
    originalPayload: NOTHING,
    unknown: NOTHING,
    ...fields,
  };
}

export function resource(attributes: Attributes): Resource {
  return { attributes, droppedAttributesCount: 0, unknown: NOTHING };
}
