// SPDX-License-Identifier: Apache-2.0
import * as z from 'zod';
import { listenEndpointSchema } from '../../config/sections/endpoint.ts';
import { section } from '../../config/sections/section.ts';

export const configSchema = section({
  endpoint: listenEndpointSchema.default('localhost:55679'),
  transport: z.literal('tcp').default('tcp'),
  /** Names beside addresses and localhost under which the pages may be opened. */
  allowed_hosts: z.array(z.string().min(1)).default([]),
  expvar: section({ enabled: z.boolean().default(false) }),
});
export type Config = z.output<typeof configSchema>;
