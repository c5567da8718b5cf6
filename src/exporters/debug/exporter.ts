// SPDX-License-Identifier: Apache-2.0
import { type FileHandle, open } from 'node:fs/promises';
import type { Exporter, Settings } from '../../component/component.ts';
import { type Clock, systemClock } from '../../internal/clock.ts';
import type { ProfilesBatch } from '../../pdata/profiles-batch.ts';
import { createExporterHelper } from '../helper/exporter-helper.ts';
import type { Config } from './config.ts';
import { detailedText, normalText } from './text.ts';

/** What the exporter writes to instead of the standard streams; for tests. */
export interface DebugOptions {
  readonly clock?: Clock;
  readonly stdout?: { write(text: string): unknown };
  readonly stderr?: { write(text: string): unknown };
}

type Sink = (text: string) => Promise<void>;

/** Writes what passes to the collector's log, or as bare text to streams and files. */
export function createDebugExporter(
  settings: Settings,
  config: Config,
  options: DebugOptions = {},
): Exporter {
  const sampler = new Sampler(config, options.clock ?? systemClock);
  const outputs = new Outputs(config.output_paths ?? ['stdout'], options);
  const send = async (batch: ProfilesBatch): Promise<void> => {
    if (!sampler.accepts()) return;
    const summary = { 'resource profiles': batch.resources.length, 'sample records': batch.sampleCount };
    if (config.use_internal_logger) {
      settings.logger.info('Profiles', summary);
      if (config.verbosity !== 'basic') settings.logger.info(textOf(batch, config));
      return;
    }
    await outputs.write(`Profiles ${JSON.stringify(summary)}\n${textOf(batch, config)}`);
  };
  const hooks = config.use_internal_logger
    ? {}
    : { start: () => outputs.open(), shutdown: () => outputs.close() };
  return createExporterHelper(settings, { queue: config.sending_queue, ...hooks }, send);
}

function textOf(batch: ProfilesBatch, config: Config): string {
  if (config.verbosity === 'basic') return '';
  return config.verbosity === 'normal' ? normalText(batch) : detailedText(batch);
}

/** The first batches of each second, then every n-th. */
class Sampler {
  readonly #config: Config;
  readonly #clock: Clock;
  #second = -1;
  #seen = 0;

  constructor(config: Config, clock: Clock) {
    this.#config = config;
    this.#clock = clock;
  }

  accepts(): boolean {
    const { sampling_initial: initial, sampling_thereafter: every } = this.#config;
    const second = Math.floor(this.#clock.now() / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#seen = 0;
    }
    this.#seen++;
    return this.#seen <= initial || (every > 0 && (this.#seen - initial) % every === 0);
  }
}

/** Streams and files by name; files are opened for appending. */
class Outputs {
  readonly #paths: readonly string[];
  readonly #options: DebugOptions;
  #files: FileHandle[] = [];
  #sinks: Sink[] = [];

  constructor(paths: readonly string[], options: DebugOptions) {
    this.#paths = paths;
    this.#options = options;
  }

  async open(): Promise<void> {
    for (const path of this.#paths) this.#sinks.push(await this.#sink(path));
  }

  async #sink(path: string): Promise<Sink> {
    const stream =
      path === 'stdout'
        ? (this.#options.stdout ?? process.stdout)
        : path === 'stderr'
          ? (this.#options.stderr ?? process.stderr)
          : undefined;
    if (stream !== undefined) {
      return (text) => {
        stream.write(text);
        return Promise.resolve();
      };
    }
    const file = await open(path, 'a').catch((cause: unknown) => {
      throw new Error(`output_paths: cannot open "${path}": ${String(cause)}`, { cause });
    });
    this.#files.push(file);
    return (text) => file.appendFile(text);
  }

  async write(text: string): Promise<void> {
    for (const sink of this.#sinks) await sink(text);
  }

  async close(): Promise<void> {
    this.#sinks = [];
    await Promise.all(this.#files.splice(0).map((file) => file.close()));
  }
}
