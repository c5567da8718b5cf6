// SPDX-License-Identifier: Apache-2.0
import { receiverFactory } from '../../component/factory.ts';
import { type Config, schema } from './config.ts';
import { createNopReceiver } from './receiver.ts';

export const nopReceiverFactory = receiverFactory<Config>({
  type: 'nop',
  stability: 'beta',
  schema,
  create: () => createNopReceiver(),
});
