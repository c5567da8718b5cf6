// SPDX-License-Identifier: Apache-2.0
import { extensionFactory } from '../../component/factory.ts';
import { type Config, configSchema } from './config.ts';
import { BearerTokenAuth } from './extension.ts';

export const bearerTokenAuthExtensionFactory = extensionFactory<Config>({
  type: 'bearertokenauth',
  stability: 'beta',
  schema: configSchema,
  roles: () => ['client authenticator', 'server authenticator'],
  create: (settings, config) => new BearerTokenAuth(settings, config),
});
