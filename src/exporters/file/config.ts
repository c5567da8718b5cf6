// SPDX-License-Identifier: Apache-2.0
import * as z from 'zod';
import { durationSchema } from '../../config/sections/duration.ts';
import { sendingQueueSchema } from '../../config/sections/queue.ts';
import { retryOnFailureSchema } from '../../config/sections/retry.ts';
import { section } from '../../config/sections/section.ts';

const DEFAULT_MEGABYTES = 100;
const DEFAULT_PERMISSIONS = '0755';

const rotationSchema = section({
  /** MiB, as upstream's; 0: the default. */
  max_megabytes: z
    .int()
    .min(0)
    .default(DEFAULT_MEGABYTES)
    .transform((value) => value || DEFAULT_MEGABYTES),
  /** Older backups are removed; 0: none because of its age. */
  max_days: z.int().min(0).default(0),
  /** The newest backups that are kept; 0: all. */
  max_backups: z.int().min(0).default(100),
  /** Timestamps in names of backups are local time instead of UTC. */
  localtime: z.boolean().default(false),
});
export type RotationConfig = z.output<typeof rotationSchema>;

const groupBySchema = section({
  enabled: z.boolean().default(false),
  resource_attribute: z.string().default('fileexporter.path_segment'),
  max_open_files: z.int().min(1).default(100),
});

const noEncoding = z
  .null()
  .optional()
  .or(
    z.string().refine(() => false, {
      error: 'is not supported: this distribution has no encoding extensions (use "format")',
    }),
  );

export const configSchema = section(
  {
    path: z.string().min(1, 'path must be non-empty'),
    append: z.boolean().default(false),
    rotation: rotationSchema.optional(),
    format: z.enum(['json', 'proto']).default('json'),
    encoding: noEncoding,
    compression: z.enum(['', 'none', 'zstd']).default(''),
    compression_params: section({ level: z.int().optional() }),
    /** How often what was written is forced to the disk. */
    flush_interval: durationSchema()
      .default(1_000)
      .transform((ms) => ms || 1_000),
    create_directory: z.boolean().default(false),
    directory_permissions: z.string().optional(),
    group_by: groupBySchema,
    sending_queue: sendingQueueSchema.optional(),
    retry_on_failure: retryOnFailureSchema,
  },
  (config, issues) => {
    const refuse = (path: string[], message: string): void =>
      issues.addIssue({ code: 'custom', path, message });
    if (config.append && config.rotation !== undefined) {
      refuse(
        ['append'],
        'append and rotation enabled at the same time is not supported (with rotation, a file that exists is always continued)',
      );
    }
    checkPermissions(config, refuse);
    if (!config.group_by.enabled) {
      if (config.path.includes('*')) {
        refuse(['path'], 'must not contain "*" unless group_by is enabled');
      }
      return;
    }
    if (config.path.split('*').length !== 2)
      refuse(['path'], 'path must contain exactly one * when group_by is enabled');
    if (config.path.startsWith('*')) refuse(['path'], 'path must not start with * when group_by is enabled');
    if (config.group_by.resource_attribute === '')
      refuse(
        ['group_by', 'resource_attribute'],
        'resource_attribute must not be empty when group_by is enabled',
      );
  },
);
export type Config = z.output<typeof configSchema>;

function checkPermissions(
  { create_directory, directory_permissions: text, group_by }: PermissionKeys,
  refuse: (path: string[], message: string) => void,
): void {
  if (text === undefined || text === '') return;
  const path = ['directory_permissions'];
  if (!create_directory && !group_by.enabled) {
    refuse(path, 'directory_permissions requires create_directory to be true');
  } else if (!/^(?:0o)?[0-7]+$/.test(text)) {
    refuse(path, 'directory_permissions value must be a valid octal representation (example: "0750")');
  } else if (Number.parseInt(text.replace(/^0o/, ''), 8) > 0o777) {
    refuse(path, 'directory_permissions contain invalid bits for file access (at most "0777")');
  }
}

interface PermissionKeys {
  readonly create_directory: boolean;
  readonly directory_permissions?: string | undefined;
  readonly group_by: { readonly enabled: boolean };
}

/** The mode of directories that are made; undefined where none are. */
export function directoryMode(config: PermissionKeys): number | undefined {
  if (!config.create_directory && !config.group_by.enabled) return undefined;
  return Number.parseInt((config.directory_permissions || DEFAULT_PERMISSIONS).replace(/^0o/, ''), 8);
}
