// SPDX-License-Identifier: Apache-2.0
import { processorFactory } from '../../component/factory.ts';
import { configSchema } from './config.ts';
import { createResourceProcessor } from './processor.ts';

/** Adds, changes and removes resource attributes. */
export const resourceProcessorFactory = processorFactory({
  type: 'resource',
  stability: 'beta',
  schema: configSchema,
  create: createResourceProcessor,
});
