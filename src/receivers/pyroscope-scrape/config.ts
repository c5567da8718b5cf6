// SPDX-License-Identifier: Apache-2.0
import * as z from 'zod';
import { durationSchema } from '../../config/sections/duration.ts';
import { section, stringListSchema } from '../../config/sections/section.ts';
import { clusteringSchema } from '../../discovery/cluster/config.ts';
import { discoveryShape } from '../../discovery/config.ts';
import { checkHttpClient, httpClientShape } from '../../http-client/config.ts';
import { allKinds, profilingConfigSchema } from './profiling-config.ts';

const DEFAULT_INTERVAL_MS = 15_000;
const DEFAULT_TIMEOUT_MS = 10_000;
const WHEN_TIMED = 'when using delta profiling';

const shape = {
  ...discoveryShape,
  ...httpClientShape,
  job_name: z
    .string()
    .optional()
    .describe('label "job" of targets without one; default: the id of the receiver'),
  params: z.record(z.string(), stringListSchema).default({}).describe('added to the query of every request'),
  scrape_interval: durationSchema()
    .default(DEFAULT_INTERVAL_MS)
    .describe('how often a profile is scraped')
    .refine((ms) => ms >= 100, 'must be at least 100ms'),
  scrape_timeout: durationSchema()
    .default(DEFAULT_TIMEOUT_MS)
    .describe('longest request; one that asks for seconds of profiling has scrape_interval - 1s more')
    .refine((ms) => ms > 0, 'scrape_timeout must be greater than 0'),
  delta_profiling_duration: durationSchema()
    .optional()
    .describe('for how long targets profile where a profile is timed; default: scrape_interval - 1s'),
  scheme: z.string().default('http').describe('http or https, for targets without __scheme__'),
  profiling_config: profilingConfigSchema,
  clustering: clusteringSchema,
  private_labels: z
    .enum(['drop', 'keep'])
    .default('drop')
    .describe('labels that start with two underscores: dropped, or sent for a relabel processor to use'),
  delta_first_profile: z
    .enum(['skip', 'send'])
    .default('skip')
    .describe(
      'totals of the first scrape of a target, which have no predecessor: left out, or sent as they are',
    ),
  delta_state_max_mib: z
    .int()
    .min(1)
    .default(256)
    .describe(
      'memory for the last totals of all targets; the state of the target scraped longest ago makes room',
    ),
  max_profile_size_mib: z
    .int()
    .min(1)
    .max(1024)
    .default(64)
    .describe('largest profile, as it comes and after decompression; larger ones are refused'),
  max_in_flight_mib: z
    .int()
    .min(1)
    .default(256)
    .describe(
      'memory of profiles that are being read, as they come and unpacked; beyond, scrapes fail and are counted',
    ),
  max_pending_mib: z
    .int()
    .min(1)
    .default(64)
    .describe('profiles that the pipeline has not taken yet; beyond, the oldest are dropped and counted'),
};

/** `pyroscope_scrape` under the keys of pyroscope.scrape, which are Prometheus' where both have one. */
export const configSchema = section(shape, (config, issues) => {
  const fault = (key: string, message: string, ...more: string[]): void => {
    issues.addIssue({ code: 'custom', path: [key, ...more], message });
  };
  checkHttpClient(config, issues);
  const { scrape_interval: interval, delta_profiling_duration: duration } = config;
  if (config.scheme !== 'http' && config.scheme !== 'https')
    fault('scheme', `invalid scheme: "${config.scheme}" (valid values: http, https)`);
  const kinds = allKinds(config.profiling_config);
  for (const { kind, isTimed, computesDelta } of kinds) {
    if (isTimed && computesDelta)
      fault(
        'profiling_config',
        'cannot be used with "delta": the target gives the difference already',
        ...(Object.hasOwn(config.profiling_config.custom, kind) ? ['custom', kind] : [kind]),
        'compute_delta',
      );
  }
  if (!kinds.some(({ enabled, isTimed }) => enabled && isTimed)) return;
  if (interval < 2000) fault('scrape_interval', `scrape_interval must be at least 2 seconds ${WHEN_TIMED}`);
  if (duration === undefined) return;
  if (duration <= 1000) {
    fault('delta_profiling_duration', `delta_profiling_duration must be larger than 1 second ${WHEN_TIMED}`);
  } else if (duration > interval - 1000) {
    const least = 'delta_profiling_duration must be at least 1 second smaller than scrape_interval';
    fault('delta_profiling_duration', `${least} ${WHEN_TIMED}`);
  }
});
export type Config = z.output<typeof configSchema>;
