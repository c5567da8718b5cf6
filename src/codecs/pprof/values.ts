// SPDX-License-Identifier: Apache-2.0
import { clampInt64 } from '../../internal/int64.ts';
import { weightOf } from '../../pdata/profiles-batch.ts';
import { halvesOf } from '../../pdata/table-rows.ts';
import type { Samples } from '../../pdata/tables.ts';
import type { PprofLosses } from './losses.ts';

/** One value for each sample, in halves: its own, or the weight of what pprof cannot hold. */
export function valueHalves(s: Samples, losses: PprofLosses): Int32Array {
  losses.timestamps += s.timestamps.length;
  if (hasOneValueEach(s)) return halvesOf(s.values);
  const column = new BigInt64Array(s.length);
  for (let i = 0; i < s.length; i++) {
    if ((s.valueStart[i + 1] as number) - (s.valueStart[i] as number) > 1) losses.summedValues++;
    const weight = weightOf(s, i);
    const value = clampInt64(weight);
    if (value !== weight) losses.clampedValues++;
    column[i] = value;
  }
  return halvesOf(column);
}

/** Whether value `i` is that of sample `i`, as everything that comes from pprof has it. */
export function hasOneValueEach({ length, valueStart, values }: Samples): boolean {
  if (values.length !== length) return false;
  for (let i = 0; i <= length; i++) if (valueStart[i] !== i) return false;
  return true;
}
