// SPDX-License-Identifier: Apache-2.0
import { exporterFactory } from '../../component/factory.ts';
import { type Config, configSchema } from './config.ts';
import { createFileExporter } from './exporter.ts';

export const fileExporterFactory = exporterFactory<Config>({
  type: 'file',
  stability: 'beta',
  schema: configSchema,
  create: (settings, config) => createFileExporter(settings, config),
});
