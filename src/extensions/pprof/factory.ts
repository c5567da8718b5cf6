// SPDX-License-Identifier: Apache-2.0
import { extensionFactory } from '../../component/factory.ts';
import { type Config, configSchema } from './config.ts';
import { PprofExtension } from './extension.ts';

export const pprofExtensionFactory = extensionFactory<Config>({
  type: 'pprof',
  stability: 'beta',
  schema: configSchema,
  create: (settings, config) => new PprofExtension(settings, config),
});
