// SPDX-License-Identifier: Apache-2.0
import { processorFactory } from '../../component/factory.ts';
import { type MemoryLimiterConfig, memoryLimiterSchema } from '../../config/sections/memory-limiter.ts';
import { MemoryLimiterProcessor } from './processor.ts';

export const memoryLimiterProcessorFactory = processorFactory<MemoryLimiterConfig>({
  type: 'memory_limiter',
  stability: 'beta',
  place: 'first',
  schema: memoryLimiterSchema,
  create: (settings, config, next) => new MemoryLimiterProcessor(settings, config, next),
});
