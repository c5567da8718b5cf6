// SPDX-License-Identifier: Apache-2.0
import { z } from 'zod';
import { grpcClientShape, grpcCompressionSchema } from '../../config/sections/grpc.ts';
import { sendingQueueSchema } from '../../config/sections/queue.ts';
import { retryOnFailureSchema, timeoutSchema } from '../../config/sections/retry.ts';
import { section } from '../../config/sections/section.ts';

export const schema = section({
  ...grpcClientShape,
  compression: grpcCompressionSchema.default('gzip'),
  timeout: timeoutSchema,
  sending_queue: sendingQueueSchema,
  retry_on_failure: retryOnFailureSchema,
  /** Numbering of the fields of Sample: "1.9" for Pyroscope before 1.20 and Collectors before 0.148. */
  protocol_revision: z.enum(['1.10', '1.9']).default('1.10'),
  /** Write strings in place of references into the string table, which few receivers resolve. */
  inline_references: z.boolean().default(true),
  /** Requests larger than this, before compression, are split; most servers take 4 MiB. 0: no limit. */
  max_request_size_mib: z.number().min(0).max(2047).default(4),
  /** Shape profiles as Pyroscope accepts them. "auto": when the endpoint's port is 4040. */
  pyroscope_compatibility: z.enum(['auto', 'on', 'off']).default('auto'),
  /** With Pyroscope: sample attributes that become labels. Unset: all but thread.id and cpu.logical_number. */
  sample_labels: z.array(z.string().min(1)).optional(),
});
export type Config = z.output<typeof schema>;
