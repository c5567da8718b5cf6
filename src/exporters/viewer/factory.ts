// SPDX-License-Identifier: Apache-2.0
import { exporterFactory } from '../../component/factory.ts';
import { viewerSchema } from './config.ts';
import { ViewerExporter } from './exporter.ts';

export const viewerExporterFactory = exporterFactory({
  type: 'viewer',
  stability: 'alpha',
  schema: viewerSchema,
  create: (settings, config) => new ViewerExporter(settings, config),
});
