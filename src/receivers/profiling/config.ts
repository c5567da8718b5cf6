// SPDX-License-Identifier: Apache-2.0
import { z } from 'zod';
import { durationSchema } from '../../config/sections/duration.ts';
import { section } from '../../config/sections/section.ts';
import { onlineCpus, parseCpuList } from './cpu-list.ts';

const disabled = section({ disabled: z.boolean().default(false) });

const interpreters = section({
  beam: disabled,
  dotnet: disabled,
  go: section({
    disabled: z.boolean().default(false),
    labels: disabled,
    symbolization: disabled,
  }),
  hotspot: disabled,
  luajit: disabled,
  perl: disabled,
  php: disabled,
  python: disabled,
  ruby: section({ disabled: z.boolean().default(false), skip_native_resume: z.boolean().default(false) }),
  v8: disabled,
});

const probe = z.strictObject({
  type: z.literal('kprobe'),
  mode: z.enum(['kprobe', 'kretprobe', 'uprobe', 'uretprobe']).default('kprobe'),
  symbol: z.string().min(1),
  target: z.string().optional(),
});

function checkPinnedCpus(text: string, context: z.RefinementCtx): void {
  try {
    const wanted = parseCpuList(text);
    const online = new Set(onlineCpus());
    if (wanted.length > 0 && !wanted.some((cpu) => online.has(cpu))) {
      context.addIssue({
        code: 'custom',
        message: `none of the CPUs "${text}" is online (online: ${[...online].join(',')})`,
      });
    }
  } catch (error) {
    context.addIssue({ code: 'custom', message: error instanceof Error ? error.message : String(error) });
  }
}

const positiveDuration = (name: string): ReturnType<typeof durationSchema> =>
  durationSchema().refine((ms) => ms > 0, { message: `${name} must be positive` });

/** Keys, defaults and checks of the OpenTelemetry eBPF profiler's receiver; durations in milliseconds. */
export const configSchema = section({
  samples_per_second: z
    .int()
    .min(1, { message: 'invalid sampling frequency, must be at least 1' })
    .max(10_000)
    .default(20),
  reporter_interval: positiveDuration('reporter_interval').default(5000),
  reporter_jitter: z.number().min(0).max(1).default(0.2),
  monitor_interval: positiveDuration('monitor_interval').default(5000),
  send_idle_frames: z.boolean().default(false),
  send_error_frames: z.boolean().default(false),
  include_env_vars: z.string().default(''),
  pin_cpu_ids: z.string().superRefine(checkPinnedCpus).default(''),
  error_mode: z
    .string()
    .transform((mode) => mode.toLowerCase())
    .pipe(z.enum(['propagate', 'ignore']))
    .default('propagate'),
  verbose_mode: z.boolean().default(false),
  bpf_verifier_log_level: z.int().min(0).max(2).default(0),
  no_kernel_version_check: z.boolean().default(false),
  frame_cache_size: z.int().min(1024).max(1_048_576).default(16_384),
  probabilistic_interval: durationSchema()
    .refine((ms) => ms >= 60_000 && ms <= 300_000, {
      message: 'probabilistic_interval must be between 1m and 5m',
    })
    .default(60_000),
  probabilistic_threshold: z.int().min(1).max(100).default(100),
  interpreters,
  clock_sync_interval: durationSchema().default(180_000),
  filter_min_process_age: durationSchema()
    .refine((ms) => ms >= 0, { message: 'must not be negative' })
    .default(0),
  off_cpu_threshold: z.number().min(0).max(1).default(0),
  map_scale_factor: z.int().min(0).max(8).default(0),
  max_grpc_retries: z.int().min(0).default(5),
  max_rpc_msg_size: z.int().min(1).default(33_554_432),
  bpf_fs_root: z.string().default('/sys/fs/bpf/'),
  obi_process_ctx: z.boolean().default(false),
  pid_namespace_translation: z.boolean().default(false),
  probes: z
    .array(probe)
    .superRefine((probes, context) => {
      probes.forEach((p, i) => {
        if (p.mode.startsWith('u') && (p.target ?? '') === '') {
          context.addIssue({
            code: 'custom',
            path: [i, 'target'],
            message: `mode "${p.mode}" needs a target: the path of the binary`,
          });
        }
      });
    })
    .default([]),
});

export type Config = z.output<typeof configSchema>;

/** Keys that are checked but do not act yet. */
const INACTIVE = [
  'frame_cache_size',
  'probabilistic_interval',
  'probabilistic_threshold',
  'interpreters',
  'clock_sync_interval',
  'filter_min_process_age',
  'off_cpu_threshold',
  'map_scale_factor',
  'max_grpc_retries',
  'max_rpc_msg_size',
  'bpf_fs_root',
  'obi_process_ctx',
  'pid_namespace_translation',
  'probes',
] as const satisfies readonly (keyof Config)[];

/** Names of the inactive keys that are set away from their default, for one WARN line. */
export function inactiveKeys(config: Config): string[] {
  const defaults = configSchema.parse({});
  return INACTIVE.filter((key) => JSON.stringify(config[key]) !== JSON.stringify(defaults[key]));
}

/** Names in a comma-separated list. */
export function envVarNames(list: string): string[] {
  return list
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
}
