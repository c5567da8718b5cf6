// SPDX-License-Identifier: Apache-2.0
import { extensionFactory } from '../../component/factory.ts';
import { type Config, configSchema } from './config.ts';
import { FileStorageExtension } from './extension.ts';

export const fileStorageExtensionFactory = extensionFactory<Config>({
  type: 'file_storage',
  stability: 'beta',
  schema: configSchema,
  roles: () => ['storage'],
  create: (settings, config) => new FileStorageExtension(settings, config),
});
