// SPDX-License-Identifier: Apache-2.0
import * as z from 'zod';
import { isSupported } from '../../compression/compression.ts';
import { durationSchema } from '../../config/sections/duration.ts';
import { httpUrlSchema } from '../../config/sections/endpoint.ts';
import { httpClientShape } from '../../config/sections/http.ts';
import { sendingQueueSchema } from '../../config/sections/queue.ts';
import { retryOnFailureSchema } from '../../config/sections/retry.ts';
import { notActing, section } from '../../config/sections/section.ts';
import { otlpRequestShape } from '../helper/otlp-requests.ts';

const otherSignal = notActing(httpUrlSchema, 'does not act: this distribution sends profiles only');
/** What has levels; -1 is the default of each. Others become the nearest level of zstd. */
const LEVELS: Readonly<Record<string, readonly [min: number, max: number]>> = {
  gzip: [-1, 9],
  zlib: [-1, 9],
  deflate: [-1, 9],
  zstd: [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY],
};

export const schema = section(
  {
    ...httpClientShape,
    /** Base URL; `/v1development/profiles` is added. */
    endpoint: httpUrlSchema.optional(),
    /** Whole URL, in place of `endpoint`. */
    profiles_endpoint: httpUrlSchema.optional(),
    traces_endpoint: otherSignal,
    metrics_endpoint: otherSignal,
    logs_endpoint: otherSignal,
    encoding: z.enum(['proto', 'json']).default('proto'),
    compression: httpClientShape.compression.unwrap().default('gzip'),
    timeout: durationSchema().default(30_000),
    sending_queue: sendingQueueSchema,
    retry_on_failure: retryOnFailureSchema,
    // A Collector takes 20 MiB.
    ...otlpRequestShape(20),
  },
  (config, issues) => {
    const fail = (path: string[], message: string): void => {
      issues.addIssue({ code: 'custom', path, message });
    };
    const { encoding, protocol_revision: revision } = config;
    const compression: string = config.compression;
    if (config.endpoint === undefined && config.profiles_endpoint === undefined) {
      fail([], 'at least one of endpoint and profiles_endpoint must be set');
    }
    if (compression !== 'none' && !isSupported(compression)) {
      fail(['compression'], `"${compression}" needs the codecs addon (run "npm run setup")`);
    }
    const { level } = config.compression_params;
    const [min, max] = LEVELS[compression] ?? [0, 0];
    if (level !== undefined && (level < min || level > max)) {
      const range = min === max ? `${compression} has no levels` : `${compression} has ${min} to ${max}`;
      fail(['compression_params', 'level'], `unsupported level ${level} (${range})`);
    }
    if (encoding === 'json' && revision !== '1.10') {
      fail(['protocol_revision'], 'is for encoding "proto": JSON has the names of 1.10');
    }
  },
);
export type Config = z.output<typeof schema>;
