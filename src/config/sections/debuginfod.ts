// SPDX-License-Identifier: Apache-2.0
import * as z from 'zod';
import { durationSchema } from './duration.ts';

const httpUrl = z.url({ protocol: /^https?$/, message: 'must be an http or https URL' });

/** What of a debuginfod client is set the same way wherever there is one. Sizes in MiB, durations in milliseconds. */
export const debuginfodShape = {
  cache_directory: z.string().min(1).optional().describe('where downloaded files stay'),
  max_cache_mib: z.int().min(1).default(2_048).describe('of all downloaded files; the oldest make room'),
  max_file_mib: z.int().min(1).default(512).describe('of one file'),
  timeout: durationSchema()
    .refine((ms) => ms > 0, { message: 'must be positive' })
    .default(60_000)
    .describe('of one download'),
};

/** Servers, asked in this order. */
export const debuginfodUrls = z.array(httpUrl);
