// SPDX-License-Identifier: Apache-2.0
import * as z from 'zod';
import { durationSchema } from '../../config/sections/duration.ts';
import { notActing, section } from '../../config/sections/section.ts';

const NO_COMPACTION = 'is not needed: a file is removed as soon as nothing in it is wanted';
const NO_RECREATE = 'is not needed: damaged records are passed over, the others are kept';

export const configSchema = section({
  directory: z.string().min(1).default('/var/lib/otelcol/file_storage'),
  create_directory: z.boolean().default(true),
  directory_permissions: z
    .string()
    .regex(/^0?[0-7]{3}$/, 'must be an octal number such as "0750"')
    .default('0750'),
  /** How long another process is waited for that has the directory. */
  timeout: durationSchema().default(1000),
  fsync: z.boolean().default(false),
  /** Bytes of all logs together; 0: as much as the disk has. */
  max_size: z
    .int()
    .min(0)
    .default(4 * 1024 * 1024 * 1024),
  recreate: notActing(z.boolean(), NO_RECREATE),
  compaction: notActing(z.json(), NO_COMPACTION),
});
export type Config = z.output<typeof configSchema>;
