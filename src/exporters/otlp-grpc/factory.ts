// SPDX-License-Identifier: Apache-2.0
import { exporterFactory } from '../../component/factory.ts';
import { type Config, schema } from './config.ts';
import { createOtlpGrpcExporter } from './exporter.ts';

export const otlpGrpcExporterFactory = exporterFactory<Config>({
  type: 'otlp_grpc',
  aliases: ['otlp'],
  stability: 'beta',
  overlaps: true,
  schema,
  create: (settings, config) => createOtlpGrpcExporter(settings, config),
});
