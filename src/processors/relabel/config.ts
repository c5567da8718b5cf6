// SPDX-License-Identifier: Apache-2.0
import * as z from 'zod';
import { section } from '../../config/sections/section.ts';
import { relabelRuleSchema } from '../../relabel/rule-schema.ts';

export const configSchema = section({
  rules: z
    .array(relabelRuleSchema)
    .min(1, 'must name at least one rule')
    .describe('Prometheus relabel_config entries, applied in order to the attributes of each resource'),
  max_cache_size: z.int().positive().default(10_000).describe('resources whose result is remembered'),
});

export type Config = z.output<typeof configSchema>;
