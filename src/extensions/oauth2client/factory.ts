// SPDX-License-Identifier: Apache-2.0
import { extensionFactory } from '../../component/factory.ts';
import { type Config, configSchema } from './config.ts';
import { OAuth2Client } from './extension.ts';

export const oauth2ClientExtensionFactory = extensionFactory<Config>({
  type: 'oauth2client',
  stability: 'beta',
  schema: configSchema,
  roles: () => ['client authenticator'],
  create: (settings, config) => new OAuth2Client(settings, config),
});
