// SPDX-License-Identifier: Apache-2.0
import { processorFactory } from '../../component/factory.ts';
import { type Config, configSchema } from './config.ts';
import { BatchProcessor } from './processor.ts';

export const batchProcessorFactory = processorFactory<Config>({
  type: 'batch',
  stability: 'beta',
  schema: configSchema,
  create: (settings, config, next) => new BatchProcessor(settings, config, next),
});
