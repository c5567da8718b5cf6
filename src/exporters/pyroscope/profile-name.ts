// SPDX-License-Identifier: Apache-2.0
import type { Dictionary } from '../../pdata/dictionary.ts';
import type { Profile, ValueType } from '../../pdata/profiles-batch.ts';

const BY_PERIOD_TYPE: ReadonlyMap<string, string> = new Map([
  ['wall', 'wall'],
  ['cpu', 'process_cpu'],
  ['space', 'memory'],
  ['inuse_space', 'memory'],
  ['alloc_space', 'memory'],
  ['goroutine', 'goroutine'],
]);

/** First match counts; patterns are tried on the sample type. */
const BY_SAMPLE_TYPE: readonly (readonly [RegExp, string])[] = [
  [/^off_cpu$/, 'off_cpu'],
  [/^(alloc|inuse)_/, 'memory'],
  [/^mutex_/, 'mutex'],
  [/^block_/, 'block'],
  [/^goroutines?$/, 'goroutine'],
  [/^wall$/, 'wall'],
  [/^cpu$/, 'process_cpu'],
  [/^(contentions|delay)$/, 'block'],
];

/**
 * The `__name__` under which Pyroscope's own agents send such a profile, so that its pages and Grafana's
 * know it. Go's block and mutex profiles look alike; both are taken for block.
 */
export function profileName(dictionary: Dictionary, p: Profile): string {
  const sampleType = dictionary.text(p.sampleType.type);
  const periodType = dictionary.text(p.periodType.type);
  const named = sampleType === 'off_cpu' ? undefined : BY_PERIOD_TYPE.get(periodType);
  const found = named ?? BY_SAMPLE_TYPE.find(([pattern]) => pattern.test(sampleType))?.[1];
  return found ?? (periodType || sampleType || 'unknown');
}

/**
 * Whether samples are counted in ticks of a CPU timer. Pyroscope keeps them as CPU time, as its OTLP
 * endpoint does: `process_cpu:cpu:nanoseconds:cpu:nanoseconds`, value = count × period.
 */
export function isCpuTicks(dictionary: Dictionary, p: Profile): boolean {
  const is = (type: ValueType, name: string, unit: string): boolean =>
    dictionary.text(type.type) === name && dictionary.text(type.unit) === unit;
  return p.period > 0n && is(p.sampleType, 'samples', 'count') && is(p.periodType, 'cpu', 'nanoseconds');
}
