// SPDX-License-Identifier: Apache-2.0
import { extensionFactory } from '../../component/factory.ts';
import { type Config, configSchema } from './config.ts';
import { BasicAuth } from './extension.ts';

export const basicAuthExtensionFactory = extensionFactory<Config>({
  type: 'basicauth',
  stability: 'beta',
  schema: configSchema,
  roles: ({ htpasswd }) => [htpasswd === undefined ? 'client authenticator' : 'server authenticator'],
  create: (settings, config) => new BasicAuth(settings, config),
});
