// SPDX-License-Identifier: Apache-2.0
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { makePayload, PAYLOADS } from '../bench/otlp-payload.ts';
import { Destination, Line } from './line.ts';

const BYTES_PER_SECOND = 20e6;
/** What an exporter of ten consumers has under way, and some more. */
const MOST_UNDER_WAY = 16;
const SAMPLE_EVERY_MS = 5_000;
const REPORT_EVERY = 12;
/** Growth over the second half, as the fitted line has it, that still counts as flat. */
const FLAT = { rssMib: 15, heapMib: 8, files: 3, queue: 20 } as const;

type Figure = keyof typeof FLAT;
type Sample = Readonly<Record<Figure, number>> & { readonly atMs: number };

/**
 * 20 MB/s of profiles through a queue on the disk for so many minutes; says whether memory, open files and queue are flat
 * in the second half: what a straight line through all samples grows by is small.
 */
export async function soak(minutes: number): Promise<boolean> {
  const destination = new Destination();
  await destination.up();
  const line = await Line.to(destination, { queue: 'queue_size: 10000', storage: '' });
  const samples: Sample[] = [];
  try {
    await line.start();
    const load = new Load(line.url);
    const start = performance.now();
    const sending = load.run(minutes * 60_000);
    for (let at = start; at < start + minutes * 60_000; at += SAMPLE_EVERY_MS) {
      await delay(Math.max(0, at - performance.now()));
      samples.push(await sampleOf(line, performance.now() - start));
      if (samples.length % REPORT_EVERY === 0) print(rowOf(samples.at(-1)));
    }
    await sending;
    const megabytes = load.acknowledgedBytes / 1e6;
    print(
      `${minutes} min: ${load.sent} requests, ${load.refused} refused, ${(megabytes / minutes / 60).toFixed(1)} MB/s taken`,
    );
    return judge(samples);
  } finally {
    await line.dispose();
    await destination.down();
  }
}

/** Posts at a steady rate, as long as the collector keeps up. */
class Load {
  sent = 0;
  refused = 0;
  acknowledgedBytes = 0;
  readonly #url: string;
  readonly #body: Uint8Array;

  constructor(url: string) {
    const size = PAYLOADS.find(({ name }) => name === 'M');
    if (size === undefined) throw new Error('there is no payload M');
    this.#url = url;
    this.#body = makePayload(size);
  }

  async run(forMs: number): Promise<void> {
    const everyMs = (this.#body.length / BYTES_PER_SECOND) * 1000;
    const start = performance.now();
    const underWay = new Set<Promise<void>>();
    for (let due = start; due < start + forMs; due += everyMs) {
      await delay(Math.max(0, due - performance.now()));
      if (underWay.size >= MOST_UNDER_WAY) await Promise.race(underWay);
      const posted = this.#post().finally(() => underWay.delete(posted));
      underWay.add(posted);
    }
    await Promise.all(underWay);
  }

  async #post(): Promise<void> {
    this.sent++;
    const answer = await fetch(this.#url, {
      method: 'POST',
      headers: { 'content-type': 'application/x-protobuf' },
      body: this.#body,
    });
    await answer.arrayBuffer();
    if (answer.ok) this.acknowledgedBytes += this.#body.length;
    else this.refused++;
  }
}

async function sampleOf(line: Line, atMs: number): Promise<Sample> {
  const status = readFileSync(`/proc/${line.pid}/status`, 'utf8');
  return {
    atMs,
    rssMib: Number(/^VmRSS:\s*(\d+)/m.exec(status)?.[1] ?? NaN) / 1024,
    heapMib: (await line.metric('process_runtime_heap_alloc_bytes')) / 2 ** 20,
    files: readdirSync(`/proc/${line.pid}/fd`).length,
    queue: await line.metric('exporter_queue_size'),
  };
}

/** Prints, figure by figure, the ends of the line fitted to the second half; whether all are flat. */
function judge(samples: readonly Sample[]): boolean {
  const half = samples.slice(samples.length >> 1);
  const grown = (Object.keys(FLAT) as Figure[]).map((figure) => {
    const { first, last } = fit(half.map((sample) => [sample.atMs, sample[figure]]));
    const highest = Math.max(...half.map((sample) => sample[figure]));
    const isFlat = last - first <= FLAT[figure];
    print(
      `${figure}: ${first.toFixed(1)} → ${last.toFixed(1)} in the second half, at most ${highest.toFixed(1)}: ${isFlat ? 'flat' : 'GROWS'}`,
    );
    return isFlat;
  });
  return grown.every(Boolean);
}

/** The line with the least squares of distances, at the first and the last point. */
function fit(points: readonly (readonly [x: number, y: number])[]): { first: number; last: number } {
  const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;
  const [mx, my] = [mean(points.map(([x]) => x)), mean(points.map(([, y]) => y))];
  const slope =
    points.reduce((sum, [x, y]) => sum + (x - mx) * (y - my), 0) /
    points.reduce((sum, [x]) => sum + (x - mx) ** 2, 0);
  const at = (x = mx): number => my + slope * (x - mx);
  return { first: at(points[0]?.[0]), last: at(points.at(-1)?.[0]) };
}

const rowOf = (sample: Sample | undefined): string =>
  sample === undefined
    ? ''
    : `${(sample.atMs / 60_000).toFixed(1)} min: RSS ${sample.rssMib.toFixed(0)} MiB, heap and buffers ${sample.heapMib.toFixed(0)} MiB, ${sample.files} files, queue ${sample.queue}`;

const print = (text: string): void => void process.stdout.write(`${text}\n`);
