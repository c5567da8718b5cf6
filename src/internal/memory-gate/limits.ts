// SPDX-License-Identifier: Apache-2.0

const MIB = 1024 * 1024;

/** What the user configures. Times are milliseconds; a limit of 0 is none. */
export interface MemorySettings {
  readonly check_interval: number;
  /** Whether native memory that only the resident set shows counts too. */
  readonly include_rss: boolean;
  readonly limit_mib: number;
  readonly spike_limit_mib: number;
  readonly limit_percentage: number;
  readonly spike_limit_percentage: number;
  readonly min_gc_interval_when_soft_limited: number;
  readonly min_gc_interval_when_hard_limited: number;
  readonly max_gc_interval_when_soft_limited: number;
  readonly max_gc_interval_when_hard_limited: number;
}

/** Bytes. Data is refused from `soft` on; from `hard` on memory is won back with more force. */
export interface Limits {
  readonly soft: number;
  readonly hard: number;
}

/** MiB values win over percentages of `totalBytes`; a spike limit of 0 means a fifth of the hard limit. */
export function limitsFrom(config: MemorySettings, totalBytes: number): Limits {
  const { limit_mib, spike_limit_mib, limit_percentage, spike_limit_percentage } = config;
  const [hard, spike] =
    limit_mib > 0
      ? [limit_mib * MIB, spike_limit_mib * MIB]
      : [(limit_percentage / 100) * totalBytes, (spike_limit_percentage / 100) * totalBytes];
  return { hard, soft: hard - (spike > 0 ? spike : hard / 5) };
}
