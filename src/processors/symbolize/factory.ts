// SPDX-License-Identifier: Apache-2.0
import { processorFactory } from '../../component/factory.ts';
import { configSchema } from './config.ts';
import { createSymbolizeProcessor } from './processor.ts';

/** Names for addresses of native code that came without. */
export const symbolizeProcessorFactory = processorFactory({
  type: 'symbolize',
  stability: 'alpha',
  schema: configSchema,
  create: createSymbolizeProcessor,
});
