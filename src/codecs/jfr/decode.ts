// SPDX-License-Identifier: Apache-2.0
import { clampInt64 } from '../../internal/int64.ts';
import { Turnstile } from '../../internal/turnstile.ts';
import { atOnce, inTurns, type Steps } from '../../internal/turns.ts';
import { DecodeError } from '../../internal/wire-reader.ts';
import { ProfilesBatch, type ResourceProfiles } from '../../pdata/profiles-batch.ts';
import { JfrBudget } from './budget.ts';
import { type Chunk, readChunks } from './chunk.ts';
import { Correlations } from './correlations.ts';
import { FORMAT } from './cursor.ts';
import { GROUPS, type GroupKey } from './groups.ts';
import { decodeLabels, NO_LABELS } from './labels.ts';
import { readChunk } from './recording.ts';
import { Series } from './series.ts';
import { Settings } from './settings.ts';
import { StackTable } from './stack-table.ts';
import { Targets } from './targets.ts';

const DEFAULT_MAX_BYTES = 64 * 1024 * 1024;

/** Places in a recording are int32. */
const MOST_BYTES = 2 ** 31 - 1;

/** Smaller ones are read as they come; of larger ones two at a time, which bounds the memory that reading takes. */
const LARGE_BYTES = 1024 * 1024;
const LARGE_AT_ONCE = 2;
const large = new Turnstile(LARGE_AT_ONCE);

/** Rows of samples that are looked at between two looks at the clock; each may be a stack of many frames. */
const ROWS_A_STEP = 4;

/** What a recording has that no profile gets. Each field counts up; give it to several calls for a sum. */
export interface JfrLosses {
  /** Samples whose stack the recording does not have. */
  samples: number;
  /** Frames, of stacks that are used, whose method it does not have. */
  frames: number;
  /** Samples without their labels and spans, because there are more than 262,144 different ones. */
  correlations: number;
  /** Chunks that are not complete; all of them but the torn end is read. */
  incompleteChunks: number;
}

/** No losses yet. */
export const noJfrLosses = (): JfrLosses => ({ samples: 0, frames: 0, correlations: 0, incompleteChunks: 0 });

/** What a recording does not say itself, and bounds on one that nobody vouches for. */
export interface DecodeJfrOptions {
  /** LabelsSnapshot of the upload, uncompressed: labels of samples by context. */
  readonly labels?: Uint8Array;
  /** Of the recording, and of the labels. Default 64 MiB. */
  readonly maxBytes?: number;
  /** Samples a second, where the recording does not say how often it samples. Default 100. */
  readonly sampleRate?: number;
  /** Counts jdk.NativeMethodSample as CPU time too: threads in native code, most of which wait. Default false. */
  readonly nativeMethodSamples?: boolean;
  /** Told what is left out. */
  readonly losses?: JfrLosses;
}

/** One series of a recording. */
export interface JfrSeries {
  /** Pyroscope's `__name__`: process_cpu, wall, memory, mutex, block. */
  readonly name: string;
  /** `jfr_event`, what async-profiler was asked to sample, where the recording says it. */
  readonly labels: ReadonlyMap<string, string>;
  /**
   * One resource without attributes; one profile, or two over the same stacks (how many, how much). All series of a
   * recording have the same dictionary.
   */
  readonly batch: ProfilesBatch;
}

/**
 * A recording of the JDK's Flight Recorder or of async-profiler, uncompressed, as the series that Pyroscope's
 * server makes of it; those without samples are left out. docs/specs/jfr.md tells what becomes of what.
 *
 * Throws DecodeError, and nothing else, where bytes or labels are malformed or larger than `maxBytes`, or where
 * they would take memory out of proportion to their size. A last chunk that is not complete is read as far as it
 * goes.
 */
export function decodeJfr(bytes: Uint8Array, options: DecodeJfrOptions = {}): readonly JfrSeries[] {
  return atOnce(stepsOf(bytes, options));
}

/** The same in turns with whatever else the event loop has to do; rejects, and with the reason of the signal too. */
export async function decodeJfrInTurns(
  bytes: Uint8Array,
  options: DecodeJfrOptions = {},
  signal?: AbortSignal,
): Promise<readonly JfrSeries[]> {
  const steps = stepsOf(bytes, options);
  if (bytes.length < LARGE_BYTES) return inTurns(steps, signal);
  const leave = await large.enter(signal);
  try {
    return await inTurns(steps, signal);
  } finally {
    leave();
  }
}

function* stepsOf(bytes: Uint8Array, options: DecodeJfrOptions): Steps<readonly JfrSeries[]> {
  const { labels } = options;
  const maxBytes = Math.min(options.maxBytes ?? DEFAULT_MAX_BYTES, MOST_BYTES);
  for (const part of [bytes, labels]) {
    if (part !== undefined && part.length > maxBytes)
      throw new DecodeError(FORMAT, maxBytes, `larger than ${maxBytes} bytes`);
  }
  const chunks = readChunks(bytes);
  const recording = new RecordingReader(bytes, options);
  for (const chunk of chunks) yield* recording.add(chunk);
  return yield* recording.build(chunks);
}

class RecordingReader {
  readonly #bytes: Uint8Array;
  readonly #losses: JfrLosses;
  readonly #correlations: Correlations;
  readonly #settings = new Settings();
  readonly #series = new Map<GroupKey, Series>();
  readonly #stacks = new StackTable();
  readonly #budget: JfrBudget;
  readonly #targets: Targets;

  constructor(bytes: Uint8Array, options: DecodeJfrOptions) {
    this.#bytes = bytes;
    this.#targets = new Targets(this.#settings, options);
    this.#losses = options.losses ?? noJfrLosses();
    const labels = options.labels === undefined ? NO_LABELS : decodeLabels(options.labels);
    this.#correlations = new Correlations(labels, this.#losses);
    this.#budget = new JfrBudget(bytes.length);
  }

  *add(chunk: Chunk): Steps<void> {
    if (chunk.isIncomplete) this.#losses.incompleteChunks++;
    const samples = yield* readChunk(this.#bytes, chunk, this.#correlations, this.#settings, this.#budget);
    if (samples === undefined) return;
    const targets = this.#targets.of(samples);
    const { tally, stacks, keys, symbols } = samples;
    const { lo, hi, length } = tally.keys;
    /** Row + 1 in the table; -1 where there is no such stack. */
    const rows = new Int32Array(stacks.length);
    for (let row = 0; row < length; row++) {
      if (row % ROWS_A_STEP === ROWS_A_STEP - 1) yield;
      const stack = lo[row] as number;
      const count = tally.counts[row] ?? 0;
      const key = hi[row] as number;
      for (const { group, valueOf } of targets[keys.hi[key] as number] ?? []) {
        rows[stack] ||=
          symbols.stack(stacks.lo[stack] ?? 0, stacks.hi[stack] ?? 0, this.#stacks, this.#losses) + 1 || -1;
        const known = rows[stack];
        if (known < 0) this.#losses.samples += count;
        else
          this.#seriesOf(group).add(known - 1, keys.lo[key] as number, count, valueOf(count, tally.sum(row)));
      }
    }
  }

  #seriesOf(key: GroupKey): Series {
    let series = this.#series.get(key);
    if (series === undefined) {
      series = new Series(GROUPS[key]);
      this.#series.set(key, series);
    }
    return series;
  }

  *build(chunks: readonly Chunk[]): Steps<JfrSeries[]> {
    const start = chunks[0]?.startNanos ?? 0n;
    const end = chunks.reduce((last, chunk) => {
      const ends = chunk.startNanos + chunk.durationNanos;
      return ends > last ? ends : last;
    }, start);
    const { event = '' } = this.#settings;
    const labels = new Map(event === '' ? [] : [['jfr_event', event]]);
    const { builder } = this.#stacks;
    const tied = this.#correlations.writer(builder);
    const built: { name: string; resources: ResourceProfiles[] }[] = [];
    for (const key of Object.keys(GROUPS) as GroupKey[]) {
      const series = this.#series.get(key);
      if (series === undefined || series.isEmpty) continue;
      const times = { timeUnixNano: clampInt64(start), durationNano: clampInt64(end - start) };
      const resources = [series.build({ ...times, periodNano: this.#targets.period(key) }, builder, tied)];
      built.push({ name: series.group.name, resources });
      yield;
    }
    // Who makes ticks of CPU time finds their names there: the dictionary stays that of all series.
    for (const name of ['samples', 'count']) builder.string(name);
    const dictionary = builder.build();
    yield;
    return built.map(({ name, resources }) => ({
      name,
      labels,
      batch: new ProfilesBatch(dictionary, resources),
    }));
  }
}
