// SPDX-License-Identifier: Apache-2.0
import { extensionFactory } from '../../component/factory.ts';
import { type Config, configSchema } from './config.ts';
import { HealthCheckExtension } from './extension.ts';

export const healthCheckExtensionFactory = extensionFactory<Config>({
  type: 'health_check',
  aliases: ['healthcheckv2'],
  stability: 'beta',
  schema: configSchema,
  create: (settings, config) => new HealthCheckExtension(settings, config),
});
