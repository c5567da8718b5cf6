// SPDX-License-Identifier: Apache-2.0
import { extensionFactory } from '../../component/factory.ts';
import { type Config, configSchema } from './config.ts';
import { ZpagesExtension } from './extension.ts';

export const zpagesExtensionFactory = extensionFactory<Config>({
  type: 'zpages',
  stability: 'beta',
  schema: configSchema,
  create: (settings, config) => new ZpagesExtension(settings, config),
});
