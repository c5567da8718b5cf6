// SPDX-License-Identifier: Apache-2.0
import * as z from 'zod';
import { durationSchema } from '../../config/sections/duration.ts';
import { section } from '../../config/sections/section.ts';

const DEFAULT_REFRESH_MS = 60_000;
const DEFAULT_POLL_MS = 1_000;

/** One entry of process_sd_configs: Alloy's discovery.process. `join` is the schema of what it may be joined with. */
export const processSdSchema = <Join extends z.ZodType>(join: Join) =>
  section(
    {
      refresh_interval: durationSchema()
        .default(DEFAULT_REFRESH_MS)
        .describe('how often everything known of every process is read again'),
      poll_interval: durationSchema()
        .default(DEFAULT_POLL_MS)
        .describe(
          'how often processes that are new, or gone, are looked for where the kernel does not tell of them',
        ),
      discover_config: section({
        exe: z.boolean().default(true).describe('__meta_process_exe'),
        cwd: z.boolean().default(true).describe('__meta_process_cwd'),
        commandline: z.boolean().default(true).describe('__meta_process_commandline'),
        container_id: z.boolean().default(true).describe('__container_id__'),
        cgroup_path: z
          .boolean()
          .default(false)
          .describe('__meta_process_cgroup_path: the lines of /proc/PID/cgroup, with | between them'),
        uid: z.boolean().default(false).describe('__meta_process_uid'),
        username: z.boolean().default(false).describe('__meta_process_username, by /etc/passwd'),
      })
        .prefault({})
        .describe('labels to find out'),
      join: join
        .optional()
        .describe('discovery keys of containers; a process has the labels of the container it is in'),
    },
    (config, issues) => {
      for (const key of ['refresh_interval', 'poll_interval'] as const)
        if (config[key] <= 0)
          issues.addIssue({ code: 'custom', path: [key], message: `${key} must be greater than 0` });
      if (config.join !== undefined && !config.discover_config.container_id)
        issues.addIssue({
          code: 'custom',
          path: ['join'],
          message: 'join needs discover_config::container_id',
        });
    },
  );

/** What `processSdSchema` gives, but what it is joined with. */
export interface ProcessSdConfig {
  readonly refresh_interval: number;
  readonly poll_interval: number;
  readonly discover_config: Readonly<
    Record<'exe' | 'cwd' | 'commandline' | 'container_id' | 'cgroup_path' | 'uid' | 'username', boolean>
  >;
}
