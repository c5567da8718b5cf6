// SPDX-License-Identifier: Apache-2.0
import { processorFactory } from '../../component/factory.ts';
import { configSchema } from './config.ts';
import { createRelabelProcessor } from './processor.ts';

/** Prometheus relabel rules on resource attributes. */
export const relabelProcessorFactory = processorFactory({
  type: 'relabel',
  stability: 'beta',
  schema: configSchema,
  create: createRelabelProcessor,
});
