// SPDX-License-Identifier: Apache-2.0
import * as z from 'zod';
import { durationSchema } from './duration.ts';
import { section } from './section.ts';

const count = () => z.int().min(0).default(0);

/** Keys and defaults of upstream's memory limiter, the processor's and the extension's. Times are milliseconds. */
export const memoryLimiterSchema = section(
  {
    check_interval: durationSchema().default(0).describe('time between measurements'),
    limit_mib: count().describe('hard limit; wins over the percentage'),
    spike_limit_mib: count().describe('soft limit = hard limit − spike'),
    limit_percentage: count().describe(
      "the same as shares of the control group's limit, or of the machine's memory",
    ),
    spike_limit_percentage: count().describe(
      "the same as shares of the control group's limit, or of the machine's memory",
    ),
    include_rss: z
      .boolean()
      .default(false)
      .describe('count resident memory of native code too, which the runtime does not know of'),
    min_gc_interval_when_soft_limited: durationSchema()
      .default(10_000)
      .describe('at the soft limit, garbage is collected no more often'),
    min_gc_interval_when_hard_limited: durationSchema()
      .default(0)
      .describe('the same at the hard limit; 0s: at every check'),
    max_gc_interval_when_soft_limited: durationSchema()
      .default(30_000)
      .describe('collections that win less than 5 % double the interval up to this'),
    max_gc_interval_when_hard_limited: durationSchema()
      .default(30_000)
      .describe('collections that win less than 5 % double the interval up to this'),
  },
  (config, issues) => {
    const refuse = (path: string, message: string): void =>
      issues.addIssue({ code: 'custom', path: [path], message });
    if (config.check_interval === 0) refuse('check_interval', "'check_interval' must be greater than zero");
    if (config.limit_mib === 0 && config.limit_percentage === 0) {
      refuse('limit_mib', "'limit_mib' or 'limit_percentage' must be greater than zero");
    }
    for (const key of ['limit_percentage', 'spike_limit_percentage'] as const) {
      if (config[key] > 100)
        refuse(key, `'${key}' must be greater than zero and less than or equal to hundred`);
    }
    if (config.limit_mib > 0 && config.spike_limit_mib >= config.limit_mib) {
      refuse('spike_limit_mib', "'spike_limit_mib' must be smaller than 'limit_mib'");
    }
    if (
      config.limit_mib === 0 &&
      config.limit_percentage > 0 &&
      config.spike_limit_percentage >= config.limit_percentage
    ) {
      refuse('spike_limit_percentage', "'spike_limit_percentage' must be smaller than 'limit_percentage'");
    }
    for (const kind of ['soft', 'hard'] as const) {
      const max = `max_gc_interval_when_${kind}_limited` as const;
      if (config[max] < config[`min_gc_interval_when_${kind}_limited`]) {
        refuse(max, `'${max}' must not be smaller than 'min_gc_interval_when_${kind}_limited'`);
      }
    }
  },
);
export type MemoryLimiterConfig = z.output<typeof memoryLimiterSchema>;
