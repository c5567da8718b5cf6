// SPDX-License-Identifier: Apache-2.0
import type { Attributes } from './attributes.ts';
import type { Dictionary } from './dictionary.ts';
import type { EncodedForm, Samples, StringTable } from './tables.ts';

const NOTHING: Uint8Array = new Uint8Array(0);

/**
 * Share of a profile's events that was sampled at all, on top of the period: events ÷ fraction estimates
 * the total. Only on profiles where it is below 1.
 */
export const FRACTION_ATTRIBUTE = 'otelcol.profiles.sampling.fraction';

/** What a value counts and in which unit; both are string rows. */
export interface ValueType {
  readonly type: number;
  readonly unit: number;
}

/**
 * What a profile may make on first use. Declared as the accessor of a class because a spread does not copy those: the
 * compiler then refuses `{ ...profile }`, which would have no samples. `withSamples` gives changed profiles.
 */
declare abstract class LazySamples {
  /** Columns that may be made on first use; `counts` answers without making them. */
  abstract get samples(): Samples;
}

/** One profile: samples of one type. All indices refer to the dictionary of the batch. */
export interface Profile extends LazySamples {
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
  /** Fields of the message that this version does not know, as they came. */
  readonly unknown: Uint8Array;
}

export interface Scope {
  readonly name: string;
  readonly version: string;
  readonly attributes: Attributes;
  readonly droppedAttributesCount: number;
  /** Fields of the InstrumentationScope message that this version does not know, as they came. */
  readonly unknown?: Uint8Array | undefined;
}

export interface ScopeProfiles {
  readonly scope: Scope;
  readonly schemaUrl: string;
  readonly profiles: readonly Profile[];
  /** Fields of the ScopeProfiles message that this version does not know, as they came. */
  readonly unknown?: Uint8Array | undefined;
}

/**
 * Attributes as they came: entry `i` of `list` is the KeyValue message
 * `bytes[ranges[2 * i] .. ranges[2 * i + 1]]`. One that refers to the string table means something with the
 * table `references` only.
 */
interface EncodedAttributes {
  readonly list: Attributes;
  readonly bytes: Uint8Array;
  readonly ranges: readonly number[];
  readonly references: StringTable;
}

export interface Resource {
  readonly attributes: Attributes;
  readonly droppedAttributesCount: number;
  /** Fields of the Resource message that this version does not know (entity references …), as they came. */
  readonly unknown: Uint8Array;
  /** How the attributes came; those still in `attributes` are spliced, whatever became of the others. */
  readonly encodedAttributes?: EncodedAttributes | undefined;
}

/** Sample records, and the events they stand for: a record with n timestamps is n events, else one. */
export interface SampleCounts {
  readonly profiles: number;
  readonly samples: number;
  readonly events: number;
}

/** As `LazySamples`. */
declare abstract class LazyScopes {
  abstract get scopes(): readonly ScopeProfiles[];
}

/**
 * The profiles of one resource. Its parts may be made on first use, so it must not be spread: `withScopes` and
 * `withResourceAttributes` give changed ones.
 */
export interface ResourceProfiles extends LazyScopes {
  readonly resource: Resource;
  readonly schemaUrl: string;
  /** Fields of the ResourceProfiles message that this version does not know, as they came. */
  readonly unknown?: Uint8Array | undefined;
  /** All scope_profiles fields, tags included, as they came; none where `scopes` was edited. */
  readonly encodedScopes?: EncodedForm | undefined;
  /** Known without looking into `scopes`; none where they were edited. */
  readonly counts?: SampleCounts | undefined;
}

/** What a batch is made of. */
interface BatchParts {
  readonly dictionary: Dictionary;
  readonly resources: readonly ResourceProfiles[];
  readonly unknown: Uint8Array;
}

/** A batch that is made when somebody looks into it, and what is known of it before: passing it on costs nothing. */
export interface DeferredBatch {
  readonly counts: SampleCounts;
  /** Memory that it keeps from being freed before it is made. */
  readonly heldBytes: number;
  /**
   * Called once at most, unless it throws: then whoever looked into the batch gets the error, each time. `forOtlp`: it is
   * about to be written as OTLP, and its columns need not be there.
   */
  make(forOtlp: boolean): ProfilesBatch;
}

/**
 * What flows through a pipeline. Immutable: an edit makes a new batch that shares every column and
 * byte range that it did not change, so a batch may be handed to any number of consumers.
 */
export class ProfilesBatch {
  #parts: BatchParts | undefined;
  #deferred: DeferredBatch | undefined;
  #counts: SampleCounts | undefined;

  constructor(
    from: Dictionary | DeferredBatch,
    resources: readonly ResourceProfiles[] = [],
    unknown: Uint8Array = NOTHING,
  ) {
    if ('make' in from) {
      this.#deferred = from;
      this.#counts = from.counts;
    } else this.#parts = { dictionary: from, resources, unknown };
  }

  get dictionary(): Dictionary {
    return this.#made().dictionary;
  }

  get resources(): readonly ResourceProfiles[] {
    return this.#made().resources;
  }

  /** Fields of the request that this version does not know, as they came. */
  get unknown(): Uint8Array {
    return this.#made().unknown;
  }

  /** Bytes that a batch which nobody has looked into holds; undefined of any other. */
  get deferredBytes(): number | undefined {
    return this.#deferred?.heldBytes;
  }

  /** To be called by whoever writes it as OTLP, before looking into it. */
  prepareForOtlp(): void {
    this.#made(true);
  }

  #made(forOtlp = false): BatchParts {
    if (this.#parts === undefined) {
      const { dictionary, resources, unknown } = (this.#deferred as DeferredBatch).make(forOtlp);
      this.#parts = { dictionary, resources, unknown };
      this.#deferred = undefined;
    }
    return this.#parts;
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
    return this.#count().samples;
  }

  /** Sampled events: a record with n timestamps stands for n events, one without for one. */
  get eventCount(): number {
    return this.#count().events;
  }

  get profileCount(): number {
    return this.#count().profiles;
  }

  #count(): SampleCounts {
    this.#counts ??= sumOf(this.resources.map((rp) => rp.counts ?? countScopes(rp.scopes)));
    return this.#counts;
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
    return changed ? new ProfilesBatch(this.dictionary, out, this.unknown) : this;
  }
}

/** The same resource with other attributes; its scopes, and their bytes, are shared. */
export function withResourceAttributes(rp: ResourceProfiles, attributes: Attributes): ResourceProfiles {
  if (attributes === rp.resource.attributes) return rp;
  return {
    resource: { ...rp.resource, attributes },
    schemaUrl: rp.schemaUrl,
    get scopes() {
      return rp.scopes;
    },
    unknown: rp.unknown,
    encodedScopes: rp.encodedScopes,
    counts: rp.counts,
  };
}

/** The same resource with other scopes, which have no encoded form. */
export function withScopes(rp: ResourceProfiles, scopes: readonly ScopeProfiles[]): ResourceProfiles {
  return { resource: rp.resource, schemaUrl: rp.schemaUrl, scopes, unknown: rp.unknown };
}

/** The same scope with other profiles. */
export function withProfiles(scope: ScopeProfiles, profiles: readonly Profile[]): ScopeProfiles {
  return { scope: scope.scope, schemaUrl: scope.schemaUrl, profiles, unknown: scope.unknown };
}

/** The same profile with other samples, and whatever else `changes` says. Does not look at the old samples. */
export function withSamples(
  p: Profile,
  samples: Samples,
  changes: Partial<Omit<Profile, 'samples'>> = {},
): Profile {
  return {
    sampleType: p.sampleType,
    periodType: p.periodType,
    period: p.period,
    timeUnixNano: p.timeUnixNano,
    durationNano: p.durationNano,
    profileId: p.profileId,
    droppedAttributesCount: p.droppedAttributesCount,
    attributes: p.attributes,
    originalPayloadFormat: p.originalPayloadFormat,
    originalPayload: p.originalPayload,
    unknown: p.unknown,
    ...changes,
    samples,
  };
}

/** Makes every column of the batch that is not made yet, so that reading it later costs nothing. */
export function materialize(batch: ProfilesBatch): ProfilesBatch {
  const { strings, functions, mappings, locations, stacks, links, attributes } = batch.dictionary.tables;
  touch(strings.start, functions.name, mappings.filename, locations.mapping, stacks.locations);
  touch(links.traceIds, attributes.key);
  for (const { profile: p } of batch.profiles()) touch(p.samples.stack);
  return batch;
}

/** Reading the arguments was the point. */
function touch(..._columns: readonly unknown[]): void {}

function sumOf(counts: readonly SampleCounts[]): SampleCounts {
  let [profiles, samples, events] = [0, 0, 0];
  for (const count of counts) {
    profiles += count.profiles;
    samples += count.samples;
    events += count.events;
  }
  return { profiles, samples, events };
}

function countScopes(scopes: readonly ScopeProfiles[]): SampleCounts {
  return sumOf(
    scopes.flatMap((scope) =>
      scope.profiles.map(({ samples }) => ({
        profiles: 1,
        samples: samples.length,
        events: eventsOf(samples),
      })),
    ),
  );
}

function eventsOf({ length, timestampStart }: Samples): number {
  let events = 0;
  for (let i = 0; i < length; i++) {
    const n = (timestampStart[i + 1] ?? 0) - (timestampStart[i] ?? 0);
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
