// SPDX-License-Identifier: Apache-2.0
import { exporterFactory } from '../../component/factory.ts';
import { type Config, schema } from './config.ts';
import { createPyroscopeExporter } from './exporter.ts';

export const pyroscopeExporterFactory = exporterFactory<Config>({
  type: 'pyroscope',
  stability: 'beta',
  overlaps: true,
  schema,
  create: (settings, config) => createPyroscopeExporter(settings, config),
});
