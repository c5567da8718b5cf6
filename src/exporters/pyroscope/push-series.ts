// SPDX-License-Identifier: Apache-2.0
import { encodePprof, groupForPprof } from '../../codecs/pprof/encode.ts';
import { ReverseWriter } from '../../internal/wire-writer.ts';
import { getText } from '../../pdata/attributes.ts';
import type { Dictionary } from '../../pdata/dictionary.ts';
import {
  type Profile,
  type ProfilesBatch,
  type ResourceProfiles,
  type ScopeProfiles,
  withSamples,
} from '../../pdata/profiles-batch.ts';
import {
  labelText,
  oneValueEach,
  PYROSCOPE,
  type RuleReport,
  sampleLabelFilter,
  sampleLabelKeys,
  withTakenTypes,
} from '../helper/pyroscope-rules.ts';
import type { TimeSlots } from '../helper/time-slots.ts';
import type { Config } from './config.ts';
import { isCpuTicks, profileName } from './profile-name.ts';
import { type LabelPair, seriesLabels } from './series-labels.ts';

/** One series of a push: labels and a pprof file. */
export interface PushSeries {
  readonly labels: readonly LabelPair[];
  readonly pprof: Uint8Array;
  /** Whether the file is compressed already. */
  readonly isGzip: boolean;
  /** Of the file without compression. */
  readonly rawBytes: number;
  /** Sample records of the batch that are in it. */
  readonly samples: number;
  readonly timeUnixNano: bigint;
  readonly durationNano: bigint;
}

/**
 * A batch as series of push.v1, each within the limits of a Pyroscope server with default settings and
 * with a time that no other profile of the series has. `report` says what the limits took away.
 */
export function pushSeries(
  batch: ProfilesBatch,
  config: Config,
  timeSlots: TimeSlots,
  report: RuleReport,
): PushSeries[] {
  const taken = withTakenTypes(batch);
  const maker = new SeriesMaker(taken.dictionary, config, timeSlots, report);
  return taken.resources.flatMap((rp) => maker.ofResource(rp));
}

/**
 * Series sent in one request each, together no larger than `maxBytes` before compression (a single
 * larger one goes alone).
 */
export function packRequests(series: readonly PushSeries[], maxBytes: number): PushSeries[][] {
  const requests: PushSeries[][] = [];
  let size = 0;
  for (const one of series) {
    const last = requests.at(-1);
    if (last === undefined || size + one.rawBytes > maxBytes) {
      requests.push([one]);
      size = one.rawBytes;
    } else {
      last.push(one);
      size += one.rawBytes;
    }
  }
  return requests;
}

/**
 * push.v1.PushRequest: series = 1 { labels = 1 { name = 1, value = 2 }, samples = 2 { raw_profile = 1 } }.
 * Source: grafana/pyroscope api/push/v1/push.proto.
 */
export function encodePushRequest(series: readonly Pick<PushSeries, 'labels' | 'pprof'>[]): Uint8Array {
  // Files are pieces of their own: what is written between them is labels.
  const w = new ReverseWriter(1024 + 512 * series.length);
  for (const { labels, pprof } of series.toReversed()) {
    const before = w.length;
    const sample = w.length;
    w.bytesField(1, pprof);
    w.message(2, sample);
    for (const { name, value } of labels.toReversed()) {
      const label = w.length;
      w.stringField(2, value);
      w.stringField(1, name);
      w.message(1, label);
    }
    w.message(1, before);
  }
  return w.finish();
}

class SeriesMaker {
  readonly #dictionary: Dictionary;
  readonly #config: Config;
  readonly #timeSlots: TimeSlots;
  readonly #report: RuleReport;
  readonly #keepLabel: (key: string) => boolean;

  constructor(dictionary: Dictionary, config: Config, timeSlots: TimeSlots, report: RuleReport) {
    this.#dictionary = dictionary;
    this.#config = config;
    this.#timeSlots = timeSlots;
    this.#report = report;
    this.#keepLabel = sampleLabelFilter(config.sample_labels);
  }

  ofResource(rp: ResourceProfiles): PushSeries[] {
    const given = getText(rp.resource.attributes, '__name__');
    return rp.scopes.flatMap((sp) => {
      const byName = new Map<string, Profile[]>();
      for (const p of sp.profiles) {
        if (p.samples.length === 0) continue;
        const name = given || profileName(this.#dictionary, p);
        byName.set(name, [...(byName.get(name) ?? []), p]);
      }
      return [...byName].flatMap(([name, profiles]) =>
        groupForPprof(profiles).flatMap((group) => this.#ofGroup(rp, sp, name, group)),
      );
    });
  }

  #ofGroup(rp: ResourceProfiles, sp: ScopeProfiles, name: string, group: readonly Profile[]): PushSeries[] {
    const [first] = group;
    if (first === undefined) return [];
    const keys = sampleLabelKeys(this.#dictionary, group, this.#keepLabel);
    const kept = new Set(keys.slice(0, PYROSCOPE.ownLabels - 5));
    this.#report.droppedLabels += keys.length - kept.size;
    const { label_names: style, external_labels: external } = this.#config;
    const options = { style, external, reserved: kept.size };
    const labels = seriesLabels(name, rp.resource.attributes, options, this.#report);
    const keepLabel = (key: string): boolean => kept.has(key) || key === 'trace_id' || key === 'span_id';
    const types = group.map((p) => this.#dictionary.text(p.sampleType.type)).join(',');
    const key = `${types} ${labels.map((l) => `${l.name}=${l.value}`).join(',')}`;
    const encode = (from: number, to: number): PushSeries[] => {
      if (to - from > PYROSCOPE.samplesPerProfile) return this.#halves(from, to, encode);
      const timeUnixNano = this.#timeSlots.claim(key, first.timeUnixNano);
      const profiles = group.map((p) => {
        const converted = this.#converted(p, group, from, to);
        // Not spread: what is decoded when it is touched is no property of its own.
        return withSamples(converted, converted.samples, { timeUnixNano });
      });
      const pprof = encodePprof(this.#dictionary, profiles, {
        synthesizeNames: this.#config.synthesize_names,
        keepLabel,
        labelText: (text) => labelText(text, this.#report),
        scopeAttributes: sp.scope.attributes,
      });
      if (pprof.length > PYROSCOPE.seriesBytes && to - from > 1) return this.#halves(from, to, encode);
      const { durationNano } = first;
      const samples = (to - from) * group.length;
      return [{ labels, pprof, isGzip: false, rawBytes: pprof.length, samples, timeUnixNano, durationNano }];
    };
    return encode(0, first.samples.length);
  }

  #halves(from: number, to: number, encode: (from: number, to: number) => PushSeries[]): PushSeries[] {
    const middle = from + Math.ceil((to - from) / 2);
    return [...encode(from, middle), ...encode(middle, to)];
  }

  /** Ticks of the CPU timer become CPU time, unless the group says CPU time itself. */
  #converted(p: Profile, group: readonly Profile[], from: number, to: number): Profile {
    const hasCpuTime = group.some((other) => this.#dictionary.text(other.sampleType.type) === 'cpu');
    const isTicks = isCpuTicks(this.#dictionary, p) && !hasCpuTime;
    const isWhole = from === 0 && to === p.samples.length;
    if (!isTicks && isWhole) return p;
    const factor = isTicks ? p.period : 1n;
    const samples = oneValueEach(p.samples, from, to, (_, weight) => weight * factor);
    return withSamples(p, samples, { sampleType: isTicks ? p.periodType : p.sampleType });
  }
}
