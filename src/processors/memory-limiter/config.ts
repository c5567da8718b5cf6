// SPDX-License-Identifier: Apache-2.0
import { z } from 'zod';
import { durationSchema } from '../../config/sections/duration.ts';
import { section } from '../../config/sections/section.ts';

const count = () => z.int().min(0).default(0);

export const configSchema = section(
  {
    check_interval: durationSchema().default(0),
    limit_mib: count(),
    spike_limit_mib: count(),
    limit_percentage: count(),
    spike_limit_percentage: count(),
    min_gc_interval_when_soft_limited: durationSchema().default(10_000),
    min_gc_interval_when_hard_limited: durationSchema().default(0),
    max_gc_interval_when_soft_limited: durationSchema().default(30_000),
    max_gc_interval_when_hard_limited: durationSchema().default(30_000),
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
export type Config = z.output<typeof configSchema>;
