// SPDX-License-Identifier: Apache-2.0
import { type RawSeries, rememberedSeries } from '../../codecs/pyroscope/series.ts';
import type { Dictionary } from '../../pdata/dictionary.ts';
import type { Profile, ProfilesBatch } from '../../pdata/profiles-batch.ts';
import { isLongValue, isRefusedType, PYROSCOPE, sampleLabelKeys } from '../helper/pyroscope-rules.ts';
import type { Config } from './config.ts';
import type { PushSeries } from './push-series.ts';
import { isPrivate, type LabelPair, withExternal } from './series-labels.ts';

/** A series of a server with default settings has at most so many labels, its own and those of its samples. */
const LABELS = 30;
/** Of these for those of samples that nobody has counted. */
const ROOM_FOR_SAMPLES = 10;

/**
 * The series of a batch as they came, for a batch that nobody has touched on its way: the very bytes of
 * its pprof files, its labels without private ones and with the external ones. Undefined where it was not
 * made from series, where an option asks for other contents, or where a limit of the server would refuse
 * it: then its profiles have to be encoded anew.
 */
export function relayedSeries(batch: ProfilesBatch, config: Config): PushSeries[] | undefined {
  const remembered = config.sample_labels === undefined ? rememberedSeries(batch) : undefined;
  if (remembered === undefined) return undefined;
  const files = remembered.flatMap((series) => filesOf(series, config.external_labels));
  if (config.protocol === 'push' && isUnread(batch, files)) return withSamples(files, batch.sampleCount);
  const profiles = [...batch.profiles()].map(({ profile }) => profile);
  const fits = profiles.every(
    (p) => p.samples.length <= PYROSCOPE.samplesPerProfile && !isRefusedType(batch, p),
  );
  if (!fits) return undefined;
  const promoted = new Set(sampleLabelKeys(batch.dictionary, profiles, isPromoted));
  if (hasLongSampleLabels(batch.dictionary, profiles)) return undefined;
  if (!files.every((file) => isWithinLimits(file, LABELS, promoted))) return undefined;
  return withSamples(files, batch.sampleCount, profiles[0]);
}

/**
 * Whether files can go without being looked into: nobody has done so yet, and they are so far from the limits that
 * what their samples are labelled with hardly matters.
 */
function isUnread(batch: ProfilesBatch, files: readonly RawFile[]): boolean {
  return (
    batch.deferredBytes !== undefined &&
    batch.sampleCount <= PYROSCOPE.samplesPerProfile * batch.profileCount &&
    files.every((file) => isWithinLimits(file, LABELS - ROOM_FOR_SAMPLES))
  );
}

/** Whether a sample is labelled with what is too long for a label of a series. */
function hasLongSampleLabels(dictionary: Dictionary, profiles: readonly Profile[]): boolean {
  const rows = new Set(profiles.flatMap(({ samples }) => Array.from(new Set(samples.attributes.values))));
  return [...rows].some((row) => isLongValue(dictionary, row));
}

/** Labels of links stay with the sample; the server makes series of all others. */
const isPromoted = (key: string): boolean => key !== 'span_id' && key !== 'trace_id';

interface RawFile {
  readonly labels: readonly LabelPair[];
  readonly pprof: Uint8Array;
  readonly isGzip: boolean;
  readonly rawBytes: number;
}

function filesOf({ labels, profiles }: RawSeries, external: Config['external_labels']): RawFile[] {
  const own = new Map<string, string>();
  for (const [name, value] of labels) {
    if (value !== '' && (!isPrivate(name) || name === '__name__' || name === '__delta__'))
      own.set(name, value);
  }
  if (!own.has('__delta__')) own.set('__delta__', 'false');
  const all = withExternal(own, external);
  return profiles.map((pprof) => {
    const isGzip = pprof[0] === 0x1f && pprof[1] === 0x8b;
    return { labels: all, pprof, isGzip, rawBytes: isGzip ? sizeInTrailer(pprof) : pprof.length };
  });
}

/** ISIZE: the last four bytes of a gzip member (RFC 1952 §2.3.1). */
function sizeInTrailer(gzip: Uint8Array): number {
  if (gzip.length < 18) return 0;
  return new DataView(gzip.buffer, gzip.byteOffset + gzip.length - 4, 4).getUint32(0, true);
}

function isWithinLimits(
  { labels, rawBytes }: RawFile,
  most: number,
  promoted: ReadonlySet<string> = new Set(),
): boolean {
  const names = new Set([...promoted, ...labels.map(({ name }) => name)]);
  return (
    rawBytes <= PYROSCOPE.seriesBytes &&
    names.size <= most &&
    names.has('__name__') &&
    labels.every(
      ({ name, value }) =>
        Buffer.byteLength(name) <= PYROSCOPE.labelNameBytes &&
        Buffer.byteLength(value) <= PYROSCOPE.labelValueBytes,
    )
  );
}

/** Which file holds how many samples nobody has kept; together they hold those of the batch. */
function withSamples(files: readonly RawFile[], samples: number, first?: Profile): PushSeries[] {
  const each = Math.floor(samples / Math.max(1, files.length));
  return files.map((file, i) => ({
    ...file,
    samples: i === 0 ? samples - each * (files.length - 1) : each,
    timeUnixNano: first?.timeUnixNano ?? 0n,
    durationNano: first?.durationNano ?? 0n,
  }));
}
