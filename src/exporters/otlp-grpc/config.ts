// SPDX-License-Identifier: Apache-2.0
import type * as z from 'zod';
import { grpcClientShape, grpcCompressionSchema } from '../../config/sections/grpc.ts';
import { sendingQueueSchema } from '../../config/sections/queue.ts';
import { retryOnFailureSchema, timeoutSchema } from '../../config/sections/retry.ts';
import { section } from '../../config/sections/section.ts';
import { otlpRequestShape } from '../helper/otlp-requests.ts';

export const schema = section({
  ...grpcClientShape,
  compression: grpcCompressionSchema.default('gzip'),
  timeout: timeoutSchema,
  sending_queue: sendingQueueSchema,
  retry_on_failure: retryOnFailureSchema,
  // Most gRPC servers take 4 MiB.
  ...otlpRequestShape(4),
});
export type Config = z.output<typeof schema>;
