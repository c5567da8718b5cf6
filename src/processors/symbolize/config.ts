// SPDX-License-Identifier: Apache-2.0
import * as z from 'zod';
import { debuginfodShape, debuginfodUrls } from '../../config/sections/debuginfod.ts';
import { demangleSchema } from '../../config/sections/demangle.ts';
import { durationSchema } from '../../config/sections/duration.ts';
import { section } from '../../config/sections/section.ts';

const debuginfod = section({
  urls: debuginfodUrls.default([]).describe('servers, asked in this order; none: no request is ever made'),
  ...debuginfodShape,
}).superRefine(({ urls, cache_directory }, issues) => {
  if (urls.length === 0 || cache_directory !== undefined) return;
  issues.addIssue({
    code: 'custom',
    path: ['cache_directory'],
    message: 'must be set where urls are: downloaded files are kept there',
  });
});

export const configSchema = section({
  directories: z
    .array(z.string().min(1))
    .default([])
    .describe(
      'searched for files by GNU build id: ID[0:2]/ID[2:].debug, with and without .build-id, ID, ID/debuginfo',
    ),
  local_files: z
    .boolean()
    .default(true)
    .describe('use files of this host that lie where a mapping says, if their build id is the same'),
  debuginfod: debuginfod.prefault({}),
  demangle: demangleSchema.default('simplified'),
  max_memory_mib: z
    .int()
    .min(1)
    .default(256)
    .describe('of symbols in memory; files unused for longest make room'),
  retry_interval: durationSchema()
    .refine((ms) => ms > 0, { message: 'must be positive' })
    .default(600_000)
    .describe('how long a file that was not found is not looked for again'),
});

export type Config = z.output<typeof configSchema>;
