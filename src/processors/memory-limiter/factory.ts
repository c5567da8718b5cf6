// SPDX-License-Identifier: Apache-2.0
import { processorFactory } from '../../component/factory.ts';
import { type Config, configSchema } from './config.ts';
import { MemoryLimiterProcessor } from './processor.ts';

export const memoryLimiterProcessorFactory = processorFactory<Config>({
  type: 'memory_limiter',
  stability: 'beta',
  place: 'first',
  schema: configSchema,
  create: (settings, config, next) => new MemoryLimiterProcessor(settings, config, next),
});
