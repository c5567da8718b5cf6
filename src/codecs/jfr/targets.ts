// SPDX-License-Identifier: Apache-2.0
import { clampInt64 } from '../../internal/int64.ts';
import type { Chunk } from './chunk.ts';
import type { GroupKey } from './groups.ts';
import type { Bucket, ChunkSamples } from './recording.ts';
import type { Settings } from './settings.ts';

const DEFAULT_PERIOD_NANO = 10_000_000n;
const SECOND = 1_000_000_000n;

/** A group that samples go to, and what `count` of them with a sum of amounts are worth there. */
interface Target {
  readonly group: GroupKey;
  readonly valueOf: (count: number, sum: bigint) => bigint;
}

/** What the recording does not say itself. */
interface TargetOptions {
  readonly sampleRate?: number;
  readonly nativeMethodSamples?: boolean;
}

/** Where samples go, and what they are worth there. */
export class Targets {
  readonly #settings: Settings;
  readonly #takesNative: boolean;
  /** Where the recording does not say it. */
  readonly #defaultPeriod: bigint;
  /** Periods of the samples of `cpu` and `wall`, in nanoseconds: those that were used last. */
  readonly #periods = new Map<GroupKey, bigint>();

  constructor(settings: Settings, { sampleRate = 0, nativeMethodSamples = false }: TargetOptions) {
    const isRate = sampleRate >= 1 && sampleRate <= 1e9;
    this.#settings = settings;
    this.#takesNative = nativeMethodSamples;
    this.#defaultPeriod = isRate ? SECOND / BigInt(Math.round(sampleRate)) : DEFAULT_PERIOD_NANO;
  }

  /** The period of a group's samples so far. */
  period(group: GroupKey): bigint {
    return this.#periods.get(group) ?? this.#defaultPeriod;
  }

  /** The targets of each bucket of a chunk. */
  of({ buckets, symbols, chunk }: ChunkSamples): readonly (readonly Target[])[] {
    const hasCpuTime = buckets.some(({ reader }) => reader.kind === 'cpuTime');
    return buckets.map((bucket): readonly Target[] => {
      const { kind } = bucket.reader;
      switch (kind) {
        case 'execution': {
          const isAsleep = symbols.threadState(bucket.stateLo, bucket.stateHi) === 'STATE_SLEEPING';
          return this.#execution(!isAsleep && !hasCpuTime);
        }
        case 'native':
          return this.#takesNative ? [this.#sampled('cpu', 'jdk.NativeMethodSample')] : [];
        case 'wall':
          return [this.#wallClock()];
        case 'cpuTime':
          return [this.#cpuTime(bucket, chunk)];
        case 'monitor':
        case 'park': {
          const toNanos = nanosOf(bucket, chunk);
          return [{ group: kind, valueOf: (_, sum) => toNanos(sum) }];
        }
        case 'setting':
          return [];
        default:
          return [{ group: kind, valueOf: (_, sum) => sum }];
      }
    });
  }

  /** Where the wall clock was sampled, these are its samples: of threads that run, and of others. */
  #execution(isCpu: boolean): Target[] {
    const cpu = isCpu ? [this.#sampled('cpu', 'jdk.ExecutionSample')] : [];
    if (this.#settings.event !== 'wall') return cpu;
    return [...cpu, this.#sampled('wall', 'jdk.ExecutionSample')];
  }

  /** Each sample stands for a period. */
  #sampled(group: GroupKey, event: string): Target {
    const period = this.#settings.periodOf(event) ?? this.#defaultPeriod;
    this.#periods.set(group, period);
    return { group, valueOf: (count) => clampInt64(BigInt(count) * period) };
  }

  /** async-profiler counts equal samples of a thread in one event. */
  #wallClock(): Target {
    const period = this.#settings.wallPeriod ?? this.#defaultPeriod;
    this.#periods.set('wall', period);
    return { group: 'wall', valueOf: (_, sum) => clampInt64(sum * period) };
  }

  /** Each sample tells its period, which depends on the number of processors and may change. */
  #cpuTime(bucket: Bucket, chunk: Chunk): Target {
    const toNanos = nanosOf(bucket, chunk);
    return {
      group: 'cpu',
      valueOf: (count, sum) => {
        const nanos = toNanos(sum);
        this.#periods.set('cpu', nanos / BigInt(count));
        return nanos;
      },
    };
  }
}

/** Nanoseconds of amounts in the unit that the metadata gives them: ticks of the chunk's clock where it has none. */
function nanosOf({ reader }: Bucket, { ticksPerSecond }: Chunk): (sum: bigint) => bigint {
  switch (reader.timespan) {
    case 'NANOSECONDS':
      return (sum) => sum;
    case 'MICROSECONDS':
      return (sum) => clampInt64(sum * 1_000n);
    case 'MILLISECONDS':
      return (sum) => clampInt64(sum * 1_000_000n);
    case 'SECONDS':
      return (sum) => clampInt64(sum * SECOND);
    default:
      return ticksPerSecond === 0n ? (sum) => sum : (sum) => clampInt64((sum * SECOND) / ticksPerSecond);
  }
}
