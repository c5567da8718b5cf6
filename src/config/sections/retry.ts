// SPDX-License-Identifier: Apache-2.0
import * as z from 'zod';
import { durationSchema } from './duration.ts';
import { section } from './section.ts';

/** Upstream's `retry_on_failure`: exponential backoff; `max_elapsed_time` 0 retries for ever. */
export const retryOnFailureSchema = section(
  {
    enabled: z.boolean().default(true),
    initial_interval: durationSchema().default(5_000),
    randomization_factor: z.number().min(0).max(1).default(0.5),
    multiplier: z.number().min(0).default(1.5),
    max_interval: durationSchema().default(30_000),
    max_elapsed_time: durationSchema().default(300_000),
  },
  (retry, issues) => {
    if (!retry.enabled || retry.max_elapsed_time === 0) return;
    for (const key of ['initial_interval', 'max_interval'] as const) {
      if (retry.max_elapsed_time >= retry[key]) continue;
      issues.addIssue({
        code: 'custom',
        path: ['max_elapsed_time'],
        message: `must not be less than ${key}`,
      });
    }
  },
);
export type RetryOnFailureConfig = z.output<typeof retryOnFailureSchema>;

/** Time allowed for one attempt to send, in milliseconds; 0 means no limit. */
export const timeoutSchema = durationSchema().default(5_000);
