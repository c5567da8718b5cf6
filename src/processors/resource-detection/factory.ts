// SPDX-License-Identifier: Apache-2.0
import { processorFactory } from '../../component/factory.ts';
import { configSchema } from './config.ts';
import { createResourceDetectionProcessor } from './processor.ts';

/** Adds attributes of the host on which the collector runs. */
export const resourceDetectionProcessorFactory = processorFactory({
  type: 'resource_detection',
  aliases: ['resourcedetection'],
  stability: 'beta',
  schema: configSchema,
  create: createResourceDetectionProcessor,
});
