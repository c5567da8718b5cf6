// SPDX-License-Identifier: Apache-2.0
import type { Attributes } from '@opentelemetry/api';

/** A span of this process that ended, or that still runs (`durationMs` undefined). */
export interface RecentSpan {
  readonly name: string;
  readonly attributes: Attributes;
  readonly startMs: number;
  readonly durationMs?: number;
  readonly error?: string;
}

/** Spans of one name. */
export interface SpansOfName {
  readonly name: string;
  readonly running: readonly RecentSpan[];
  /** How many ended in less than each of `LATENCIES_MS`, and from the last on; those with errors left out. */
  readonly counts: readonly number[];
  readonly errors: number;
  /** The last of each latency, newest last. */
  readonly samples: readonly (readonly RecentSpan[])[];
  readonly failed: readonly RecentSpan[];
}

/** Bounds between the classes of latency, in milliseconds. */
export const LATENCIES_MS: readonly number[] = [0.01, 0.1, 1, 10, 100, 1_000, 10_000, 100_000];

const MAX_NAMES = 200;
const MAX_SAMPLES = 8;
const MAX_RUNNING = 256;

class Entry {
  readonly running = new Set<RecentSpan>();
  readonly counts: number[] = Array.from({ length: LATENCIES_MS.length + 1 }, () => 0);
  readonly samples: RecentSpan[][] = this.counts.map(() => []);
  readonly failed: RecentSpan[] = [];
  errors = 0;
}

/**
 * The last spans of this process, some of each name and latency, for a page that shows them. Nothing is kept
 * unless somebody listens.
 */
class RecentSpans {
  #listeners = 0;
  readonly #entries = new Map<string, Entry>();

  get isListening(): boolean {
    return this.#listeners > 0;
  }

  /** Keeps spans from now on, until the function that it gives back is called. */
  listen(): () => void {
    this.#listeners++;
    let isOpen = true;
    return () => {
      if (!isOpen) return;
      isOpen = false;
      this.#listeners--;
      if (this.#listeners === 0) this.#entries.clear();
    };
  }

  /** Notes a span that begins; the function that it gives back ends it. */
  begin(name: string, attributes: Attributes): (error?: Error) => void {
    let entry = this.#entries.get(name);
    if (entry === undefined) {
      if (this.#entries.size >= MAX_NAMES) return () => undefined;
      entry = new Entry();
      this.#entries.set(name, entry);
    }
    const known = entry;
    const begun = performance.now();
    const running: RecentSpan = { name, attributes, startMs: Date.now() };
    if (known.running.size < MAX_RUNNING) known.running.add(running);
    return (error) => {
      known.running.delete(running);
      const durationMs = performance.now() - begun;
      const span = { ...running, durationMs, ...(error !== undefined && { error: error.message }) };
      if (error !== undefined) {
        known.errors++;
        keep(known.failed, span);
        return;
      }
      const at = LATENCIES_MS.findIndex((bound) => durationMs < bound);
      const index = at < 0 ? LATENCIES_MS.length : at;
      known.counts[index] = (known.counts[index] ?? 0) + 1;
      keep(known.samples[index] ?? [], span);
    };
  }

  list(): readonly SpansOfName[] {
    return [...this.#entries]
      .map(([name, { running, counts, samples, failed, errors }]) => ({
        name,
        running: [...running],
        counts,
        samples,
        failed,
        errors,
      }))
      .sort((a, b) => (a.name < b.name ? -1 : 1));
  }
}

function keep(spans: RecentSpan[], span: RecentSpan): void {
  if (spans.length >= MAX_SAMPLES) spans.shift();
  spans.push(span);
}

/** The spans of this process. */
export const recentSpans = new RecentSpans();
