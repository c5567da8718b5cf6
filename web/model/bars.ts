// SPDX-License-Identifier: Apache-2.0
import type { TimelineDocument } from './wire.ts';

export interface Bars {
  /** Slices in one bar. */
  readonly group: number;
  /** Weight of each bar. */
  readonly weights: Float64Array;
  readonly max: number;
}

/** Groups slices until a bar is at least `minBarPx` wide. Groups are aligned to time, so that bars do not flicker as time goes on. */
export function groupBars(doc: TimelineDocument, widthPx: number, minBarPx: number): Bars {
  const slices = doc.weights.length;
  const group = Math.max(1, Math.ceil((slices * minBarPx) / Math.max(widthPx, 1)));
  const phase = Math.round(doc.fromMs / doc.stepMs) % group;
  const weights = new Float64Array(Math.ceil((slices + phase) / group));
  doc.weights.forEach((weight, i) => {
    const bar = Math.floor((i + phase) / group);
    weights[bar] = (weights[bar] as number) + weight;
  });
  return { group, weights, max: weights.reduce((a, b) => Math.max(a, b), 0) };
}

/** Slices between two axis labels, so that they are at least `minGapPx` apart: 10 s, 30 s, 1 min, 2 min … */
export function tickMs(spanMs: number, widthPx: number, minGapPx: number): number {
  const steps = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21_600, 43_200].map(
    (s) => s * 1000,
  );
  return steps.find((step) => (step / spanMs) * widthPx >= minGapPx) ?? 86_400_000;
}
