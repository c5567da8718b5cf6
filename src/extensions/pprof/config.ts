// SPDX-License-Identifier: Apache-2.0
import * as z from 'zod';
import { listenEndpointSchema } from '../../config/sections/endpoint.ts';
import { notActing, section } from '../../config/sections/section.ts';

const NO_GO = 'does not act: Node.js has no such profile';

export const configSchema = section({
  endpoint: listenEndpointSchema.default('localhost:1777'),
  /** Names beside addresses and localhost under which the profiles may be fetched. */
  allowed_hosts: z.array(z.string().min(1)).default([]),
  block_profile_fraction: notActing(z.int(), NO_GO),
  mutex_profile_fraction: notActing(z.int(), NO_GO),
  save_to_file: z
    .literal('')
    .optional()
    .or(
      z.string().refine(() => false, {
        error:
          'is not supported: a profile of the whole run would grow without bound (fetch /debug/pprof/profile?seconds=30)',
      }),
    ),
});
export type Config = z.output<typeof configSchema>;
