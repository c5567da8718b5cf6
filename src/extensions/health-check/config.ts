// SPDX-License-Identifier: Apache-2.0
import { z } from 'zod';
import { listenEndpointSchema } from '../../config/sections/endpoint.ts';
import { notActing, section } from '../../config/sections/section.ts';
import { tlsServerSchema } from '../../config/sections/tls.ts';

const UPSTREAM_DISABLED = 'does not act, as upstream: the endpoint tells whether the pipelines run';

export const configSchema = section({
  endpoint: listenEndpointSchema.default('localhost:13133'),
  tls: tlsServerSchema.nullish(),
  path: z.string().startsWith('/', "path must start with '/'").default('/'),
  /** Texts sent in place of the JSON body. */
  response_body: section({ healthy: z.string().default(''), unhealthy: z.string().default('') }).optional(),
  check_collector_pipeline: notActing(z.json(), UPSTREAM_DISABLED),
});
export type Config = z.output<typeof configSchema>;
