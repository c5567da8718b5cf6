// SPDX-License-Identifier: Apache-2.0
import { extensionFactory } from '../../component/factory.ts';
import { type MemoryLimiterConfig, memoryLimiterSchema } from '../../config/sections/memory-limiter.ts';
import { MemoryLimiterExtension } from './extension.ts';

export const memoryLimiterExtensionFactory = extensionFactory<MemoryLimiterConfig>({
  type: 'memory_limiter',
  stability: 'beta',
  schema: memoryLimiterSchema,
  create: (settings, config) => new MemoryLimiterExtension(settings, config),
});
