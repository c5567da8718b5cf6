// SPDX-License-Identifier: Apache-2.0
// The profiler of targets with the real engine, and what it hands on.
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { Settings } from '../../src/component/component.ts';
import { RecordingConsumer } from '../../src/internal/testing/recording-consumer.ts';
import { never, testHost, testSettings, type TestSettings } from '../../src/internal/testing/settings.ts';
import { valueToText } from '../../src/pdata/any-value.ts';
import { getText } from '../../src/pdata/attributes.ts';
import { stackNames } from '../../src/pdata/folded.ts';
import type { Profile, ProfilesBatch } from '../../src/pdata/profiles-batch.ts';
import { listAt } from '../../src/pdata/tables.ts';
import { targetsSchema } from '../../src/profiler/targets/config.ts';
import { pyroscopeNaming } from '../../src/profiler/targets/target.ts';
import {
  TargetProfiler,
  type TargetProfilerDependencies,
} from '../../src/profiler/targets/target-profiler.ts';

const LIMIT_MS = 60_000;

/** Everything handed on of one service. */
class Heard {
  readonly #sink: RecordingConsumer;

  constructor(sink: RecordingConsumer) {
    this.#sink = sink;
  }

  *profiles(service: string): Generator<{ batch: ProfilesBatch; name: string; profile: Profile }> {
    for (const batch of this.#sink.batches) {
      for (const { resource: rp, profile } of batch.profiles()) {
        const { attributes } = rp.resource;
        if (getText(attributes, 'service.name') !== service) continue;
        yield { batch, name: getText(attributes, '__name__') ?? '', profile };
      }
    }
  }

  services(): string[] {
    const names = this.#sink.batches.flatMap(({ resources }) =>
      resources.map(({ resource }) => getText(resource.attributes, 'service.name') ?? ''),
    );
    return [...new Set(names)].sort();
  }

  /** Stacks, root first. */
  stacks(service: string, name = 'process_cpu'): string[] {
    return [...this.profiles(service)]
      .filter((of) => of.name === name)
      .flatMap(({ batch, profile }) =>
        [...profile.samples.stack].map((stack) => stackNames(batch.dictionary, stack).join(';')),
      );
  }

  /** Types of frames. */
  frameTypes(service: string): Set<string> {
    const found = new Set<string>();
    for (const { batch, profile } of this.profiles(service)) {
      const { stacks, locations } = batch.dictionary.tables;
      for (const stack of profile.samples.stack) {
        for (const location of listAt(stacks.locations, stack)) {
          for (const row of listAt(locations.attributes, location))
            found.add(valueToText(batch.dictionary.attributeValue(row)));
        }
      }
    }
    return found;
  }

  /** Files of functions. */
  files(service: string): Set<string> {
    const found = new Set<string>();
    for (const { batch, profile } of this.profiles(service)) {
      const { stacks, locations, functions } = batch.dictionary.tables;
      for (const stack of profile.samples.stack) {
        for (const location of listAt(stacks.locations, stack)) {
          const [from = 0, to = 0] = locations.lineStart.subarray(location, location + 2);
          for (const row of locations.lineFunction.subarray(from, to))
            found.add(batch.dictionary.text(functions.filename[row] ?? 0));
        }
      }
    }
    return found;
  }

  /** Attributes of samples, as text. */
  sampleLabels(service: string): Set<string> {
    const found = new Set<string>();
    for (const { batch, profile } of this.profiles(service)) {
      for (const row of profile.samples.attributes.values)
        found.add(
          `${batch.dictionary.attributeKey(row)}=${valueToText(batch.dictionary.attributeValue(row))}`,
        );
    }
    return found;
  }
}

export interface Running {
  readonly sink: RecordingConsumer;
  readonly heard: Heard;
  readonly settings: TestSettings;
  readonly receiver: TargetProfiler;
}

/** Starts it; it is stopped with the test at the latest. */
export async function started(
  t: Pick<TestContext, 'after'>,
  config: Record<string, unknown>,
  dependencies: TargetProfilerDependencies = {},
): Promise<Running> {
  const sink = new RecordingConsumer();
  const settings = testSettings('pyroscope_ebpf');
  const schema = targetsSchema({ targetsOnly: true, collectIntervalMs: 15_000, sampleRate: 97 });
  const parsed = schema.parse({ collect_interval: '300ms', sample_rate: 199, symb_cache_size: 0, ...config });
  const era = {
    naming: pyroscopeNaming(parsed.service_name),
    metricPrefix: 'pyroscope',
    unmatchedName: 'ebpf/unspecified',
  } as const;
  const receiver = new TargetProfiler(settings satisfies Settings, parsed, sink, era, dependencies);
  t.after(() => receiver.shutdown(AbortSignal.timeout(5_000)));
  await receiver.start(testHost(), never());
  return { sink, heard: new Heard(sink), settings, receiver };
}

/** Waits until it holds; fails where it does not within a minute. */
export async function until(what: string, holds: () => boolean): Promise<void> {
  const end = performance.now() + LIMIT_MS;
  while (!holds()) {
    assert.ok(performance.now() < end, what);
    await delay(50);
  }
}
