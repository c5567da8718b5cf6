// SPDX-License-Identifier: Apache-2.0
import { stringValue } from '../../pdata/any-value.ts';
import type { Attributes } from '../../pdata/attributes.ts';
import { keepBeside } from '../../pdata/batch-size.ts';
import { DictionaryBuilder } from '../../pdata/dictionary-builder.ts';
import type { Dictionary } from '../../pdata/dictionary.ts';
import {
  type Profile,
  ProfilesBatch,
  type ValueType,
  withProfiles,
  withResourceAttributes,
  withSamples,
  withScopes,
} from '../../pdata/profiles-batch.ts';
import { withColumns } from '../../pdata/samples.ts';
import type { LabelSet } from '../../relabel/relabel.ts';
import { PPROF } from '../pprof/names.ts';

/** Labels with two leading underscores that say something about the series; all others are private. */
const PUBLIC_LABELS: ReadonlySet<string> = new Set(['__name__', '__delta__', '__session_id__']);

/** What is decided by whoever configures the component. */
export interface SeriesOptions {
  /** Labels that start with two underscores, other than `__name__`, `__delta__` and `__session_id__`. Default: drop. */
  readonly privateLabels?: 'drop' | 'keep';
}

/**
 * A series of Pyroscope as a batch: its labels become attributes of every resource of `decoded`, under their
 * own names but for `service_name`, which is `service.name`; a label without value is none. All sample types
 * are kept. CPU time alone, in whole periods, becomes ticks (samples/count): that loses nothing, and over OTLP
 * it is the only form under which Pyroscope files it as `process_cpu:cpu:nanoseconds:cpu:nanoseconds`.
 */
export function batchOfSeries(
  labels: LabelSet,
  decoded: ProfilesBatch,
  options: SeriesOptions = {},
): ProfilesBatch {
  if (decoded.deferredBytes !== undefined) return deferredSeries(labels, decoded, options);
  const own = attributesOf(labels, options);
  const keys = new Set(own.map(({ key }) => key));
  return inTicks(decoded).mapResources((rp) => {
    const others = rp.resource.attributes.filter(({ key }) => !keys.has(key));
    return withResourceAttributes(rp, [...own, ...others]);
  });
}

/** `batchOfSeries` of a batch that nobody has looked into, which this does not do either. */
function deferredSeries(labels: LabelSet, decoded: ProfilesBatch, options: SeriesOptions): ProfilesBatch {
  const { profileCount: profiles, sampleCount: samples, eventCount: events } = decoded;
  return new ProfilesBatch({
    counts: { profiles, samples, events },
    heldBytes: decoded.deferredBytes ?? 0,
    make(forOtlp) {
      if (forOtlp) decoded.prepareForOtlp();
      else void decoded.resources;
      return batchOfSeries(labels, decoded, options);
    },
  });
}

/** Labels of a series as attributes of a resource, as `batchOfSeries` says. */
export function attributesOf(labels: LabelSet, { privateLabels }: SeriesOptions): Attributes {
  const attributes = new Map<string, string>();
  for (const [name, value] of labels) {
    const isPrivate = name.startsWith('__') && !PUBLIC_LABELS.has(name);
    if (value !== '' && (!isPrivate || privateLabels === 'keep')) attributes.set(name, value);
  }
  const service = attributes.get('service_name');
  if (service !== undefined) {
    attributes.delete('service_name');
    attributes.set('service.name', service);
  }
  return [...attributes].map(([key, value]) => ({ key, value: stringValue(value) }));
}

/** The batch with ticks in place of CPU time, or as it is where that would lose anything. */
function inTicks(batch: ProfilesBatch): ProfilesBatch {
  const profiles = [...batch.profiles()];
  if (profiles.length === 0 || !profiles.every(({ profile: p }) => isWholePeriods(batch.dictionary, p)))
    return batch;
  const builder = new DictionaryBuilder(batch.dictionary);
  const sampleType = { type: builder.string('samples'), unit: builder.string('count') };
  const resources = batch.resources.map((rp) =>
    withScopes(
      rp,
      rp.scopes.map((sp) => {
        const { scope } = sp;
        // It would name a type that is gone; of a single type nobody needs to be told which one is meant.
        const attributes = scope.attributes.filter(({ key }) => key !== PPROF.defaultSampleType);
        const changed = { ...withProfiles(sp, []), scope: { ...scope, attributes } };
        return withProfiles(
          changed,
          sp.profiles.map((p) => ticksOf(p, sampleType)),
        );
      }),
    ),
  );
  return new ProfilesBatch(builder.build(), resources, batch.unknown);
}

function isWholePeriods(dictionary: Dictionary, p: Profile): boolean {
  const isCpuTime = (type: ValueType): boolean =>
    dictionary.text(type.type) === 'cpu' && dictionary.text(type.unit) === 'nanoseconds';
  if (p.period <= 0n || !isCpuTime(p.sampleType) || !isCpuTime(p.periodType)) return false;
  return p.samples.values.every((value) => value % p.period === 0n);
}

function ticksOf(p: Profile, sampleType: ValueType): Profile {
  const values = p.samples.values.map((value) => value / p.period);
  return withSamples(p, withColumns(p.samples, { values }), { sampleType });
}

/** One series as it came: its labels, none left out, and its pprof files, gzipped or not. */
export interface RawSeries {
  readonly labels: LabelSet;
  readonly profiles: readonly Uint8Array[];
}

const remembered = new WeakMap<ProfilesBatch, readonly RawSeries[]>();

/**
 * Notes from which series a batch was made; together they say all that the batch says. Nobody may write to their
 * bytes afterwards. They are kept for as long as the batch is, and count as memory that it takes.
 */
export function rememberSeries(batch: ProfilesBatch, ...series: readonly RawSeries[]): void {
  remembered.set(batch, series);
  keepBeside(
    batch,
    series.flatMap(({ profiles }) => profiles),
  );
}

/**
 * The series that this very object was made from: batches are immutable, so nobody has changed anything about it.
 * Undefined for every other batch, one that a processor made from it included.
 */
export function rememberedSeries(batch: ProfilesBatch): readonly RawSeries[] | undefined {
  return remembered.get(batch);
}
