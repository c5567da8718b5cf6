// SPDX-License-Identifier: Apache-2.0
import { receiverFactory } from '../../component/factory.ts';
import { otlpReceiverSchema } from './config.ts';
import { OtlpReceiver } from './receiver.ts';

/** Receives profiles over OTLP/gRPC and OTLP/HTTP. */
export const otlpReceiverFactory = receiverFactory({
  type: 'otlp',
  stability: 'beta',
  schema: otlpReceiverSchema,
  create: (settings, config, next) => new OtlpReceiver(settings, config, next),
});
