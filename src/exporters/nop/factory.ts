// SPDX-License-Identifier: Apache-2.0
import { exporterFactory } from '../../component/factory.ts';
import { type Config, schema } from './config.ts';
import { createNopExporter } from './exporter.ts';

export const nopExporterFactory = exporterFactory<Config>({
  type: 'nop',
  stability: 'beta',
  overlaps: true,
  schema,
  create: (settings) => createNopExporter(settings),
});
