// SPDX-License-Identifier: Apache-2.0
import { z } from 'zod';
import { durationSchema } from '../../config/sections/duration.ts';
import { grpcServerSchema } from '../../config/sections/grpc.ts';
import { httpServerShape } from '../../config/sections/http.ts';
import { notActing, section } from '../../config/sections/section.ts';

const httpShape = httpServerShape('localhost:4318');
const otherSignal = notActing(z.string(), 'does not act: this distribution receives profiles only');

const httpSchema = section({
  ...httpShape,
  read_timeout: durationSchema().default(0),
  read_header_timeout: durationSchema().default(60_000),
  write_timeout: notActing(durationSchema()),
  idle_timeout: durationSchema().default(60_000),
  cors: notActing(httpShape.cors),
  traces_url_path: otherSignal,
  metrics_url_path: otherSignal,
  logs_url_path: otherSignal,
});
export type HttpProtocolConfig = z.output<typeof httpSchema>;

/** Configuration of the `otlp` receiver: upstream's keys. A protocol without a value is on with defaults. */
export const otlpReceiverSchema = section({
  protocols: section(
    { grpc: grpcServerSchema.optional(), http: httpSchema.optional() },
    (protocols, issues) => {
      if (protocols.grpc !== undefined || protocols.http !== undefined) return;
      issues.addIssue({
        code: 'custom',
        message: 'must specify at least one protocol when using the OTLP receiver (grpc, http)',
      });
    },
  ),
});
export type Config = z.output<typeof otlpReceiverSchema>;
