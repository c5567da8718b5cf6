// SPDX-License-Identifier: Apache-2.0
import { exporterFactory } from '../../component/factory.ts';
import { type Config, schema } from './config.ts';
import { createOtlpHttpExporter } from './exporter.ts';

export const otlpHttpExporterFactory = exporterFactory<Config>({
  type: 'otlp_http',
  aliases: ['otlphttp'],
  stability: 'beta',
  overlaps: true,
  schema,
  create: (settings, config) => createOtlpHttpExporter(settings, config),
});
