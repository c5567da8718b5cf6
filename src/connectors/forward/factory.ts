// SPDX-License-Identifier: Apache-2.0
import { connectorFactory } from '../../component/factory.ts';
import { type Config, configSchema } from './config.ts';
import { forwardConnector } from './connector.ts';

export const forwardConnectorFactory = connectorFactory<Config>({
  type: 'forward',
  stability: 'beta',
  schema: configSchema,
  create: (_settings, _config, next) => forwardConnector(next),
});
