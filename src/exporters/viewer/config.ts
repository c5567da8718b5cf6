// SPDX-License-Identifier: Apache-2.0
import * as z from 'zod';
import { durationSchema } from '../../config/sections/duration.ts';
import { listenEndpointSchema } from '../../config/sections/endpoint.ts';
import { section } from '../../config/sections/section.ts';

const MIB = 1 << 20;

/** What the user writes under `exporters: viewer:`. */
export const viewerSchema = section({
  endpoint: listenEndpointSchema
    .default('localhost:4041')
    .describe('where the page is served; anything but loopback shows the data to the network'),
  allowed_hosts: z
    .array(z.string().min(1))
    .default([])
    .describe(
      'host names, beside localhost and the host of the endpoint, under which the page may be opened',
    ),
  max_bytes: z
    .int()
    .min(MIB)
    .max(2048 * MIB)
    .default(32 * MIB)
    .describe('memory for samples; the oldest go first'),
  retention: durationSchema()
    .refine((ms) => ms >= 10_000 && ms <= 86_400_000, { error: 'must be from 10s to 24h' })
    .default(600_000)
    .describe('how long samples are kept'),
});

export type Config = z.output<typeof viewerSchema>;
