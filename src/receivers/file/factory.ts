// SPDX-License-Identifier: Apache-2.0
import { receiverFactory } from '../../component/factory.ts';
import { type Config, configSchema } from './config.ts';
import { FileReceiver } from './receiver.ts';

export const fileReceiverFactory = receiverFactory<Config>({
  type: 'file',
  aliases: ['otlp_json_file', 'otlpjsonfile'],
  stability: 'beta',
  schema: configSchema,
  create: (settings, config, next) => new FileReceiver(settings, config, next),
});
