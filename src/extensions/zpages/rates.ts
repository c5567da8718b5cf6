// SPDX-License-Identifier: Apache-2.0
import type { PipelineView, Traffic } from '../../component/service-view.ts';

/** Seconds over which rates are shown. */
export const WINDOWS_S = [10, 60] as const;

const FIELDS = ['batches', 'samples', 'events', 'failedBatches', 'failedSamples'] as const;

interface Reading {
  readonly atMs: number;
  /** By the pipeline's own counter: one that a reload adds under an id seen before starts at zero. */
  readonly totals: ReadonlyMap<Traffic, Traffic>;
}

/** Rates of pipelines, from a reading of their totals every second. */
export class Rates {
  readonly #pipelines: () => readonly PipelineView[];
  #readings: Reading[] = [];

  constructor(pipelines: () => readonly PipelineView[]) {
    this.#pipelines = pipelines;
  }

  /** Takes the totals of now; to be called every second. */
  read(nowMs: number): void {
    const totals = new Map(this.#pipelines().map(({ traffic }) => [traffic, copy(traffic)]));
    const longestMs = Math.max(...WINDOWS_S) * 1_000;
    this.#readings = this.#readings.filter(({ atMs }) => nowMs - atMs < longestMs + 500);
    this.#readings.push({ atMs: nowMs, totals });
  }

  /** Per second over the last `seconds`, or over what is known where that is less; undefined at the very start. */
  of({ traffic }: PipelineView, seconds: number, nowMs: number): Traffic | undefined {
    const first = this.#readings.find(
      ({ atMs, totals }) => nowMs - atMs <= seconds * 1_000 + 500 && totals.has(traffic),
    );
    const before = first?.totals.get(traffic);
    if (first === undefined || before === undefined || nowMs <= first.atMs) return undefined;
    const elapsedS = (nowMs - first.atMs) / 1_000;
    const rates = copy(traffic);
    for (const field of FIELDS) rates[field] = (traffic[field] - before[field]) / elapsedS;
    return rates;
  }
}

function copy({
  batches,
  samples,
  events,
  failedBatches,
  failedSamples,
}: Traffic): Record<(typeof FIELDS)[number], number> {
  return { batches, samples, events, failedBatches, failedSamples };
}
