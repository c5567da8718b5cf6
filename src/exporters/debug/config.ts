// SPDX-License-Identifier: Apache-2.0
import * as z from 'zod';
import { sendingQueueSchema } from '../../config/sections/queue.ts';
import { choice, section } from '../../config/sections/section.ts';

export const schema = section(
  {
    /** How much is written of each batch. */
    verbosity: choice('basic', 'normal', 'detailed').default('basic'),
    /** Batches written in full each second … */
    sampling_initial: z.int().min(0).default(2),
    /** … and of those after them every n-th; 0: none. */
    sampling_thereafter: z.int().min(0).default(1),
    /** Write through the collector's own log; else bare text to `output_paths`. */
    use_internal_logger: z.boolean().default(true),
    /** `stdout`, `stderr` or paths of files that are appended to; stdout where absent. */
    output_paths: z.array(z.string().min(1)).min(1).optional(),
    sending_queue: sendingQueueSchema.optional(),
  },
  ({ use_internal_logger, output_paths }, issues) => {
    if (!use_internal_logger || output_paths === undefined || output_paths.length === 0) return;
    issues.addIssue({
      code: 'custom',
      path: ['output_paths'],
      message: 'is not supported when use_internal_logger is true',
    });
  },
);
export type Config = z.output<typeof schema>;
