// SPDX-License-Identifier: Apache-2.0
import { exporterFactory } from '../../component/factory.ts';
import { type Config, schema } from './config.ts';
import { createDebugExporter } from './exporter.ts';

export const debugExporterFactory = exporterFactory<Config>({
  type: 'debug',
  stability: 'beta',
  overlaps: true,
  schema,
  create: createDebugExporter,
});
