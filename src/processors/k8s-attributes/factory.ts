// SPDX-License-Identifier: Apache-2.0
import { processorFactory } from '../../component/factory.ts';
import { configSchema } from './config.ts';
import { createK8sAttributesProcessor } from './processor.ts';

/** Adds what Kubernetes knows of the pod a profile comes from. */
export const k8sAttributesProcessorFactory = processorFactory({
  type: 'k8s_attributes',
  aliases: ['k8sattributes'],
  stability: 'beta',
  schema: configSchema,
  create: createK8sAttributesProcessor,
});
