// SPDX-License-Identifier: Apache-2.0
import * as z from 'zod';
import { durationSchema } from '../../config/sections/duration.ts';
import { listenEndpointSchema } from '../../config/sections/endpoint.ts';
import { notActing, section } from '../../config/sections/section.ts';
import { tlsServerSchema } from '../../config/sections/tls.ts';

const UPSTREAM_DISABLED = 'does not act, as upstream: the endpoint tells whether the pipelines run';

const DEFAULT_ENDPOINT = 'localhost:13133';

const pathSchema = (path: string) => z.string().startsWith('/', "path must start with '/'").default(path);

const componentHealthSchema = section({
  include_permanent_errors: z.boolean().default(false),
  include_recoverable_errors: z.boolean().default(false),
  recovery_duration: durationSchema().default(300_000),
});

const httpSchema = section({
  endpoint: listenEndpointSchema.default(DEFAULT_ENDPOINT),
  tls: tlsServerSchema.nullish(),
  status: section({ enabled: z.boolean().default(true), path: pathSchema('/status') }),
  config: section({ enabled: z.boolean().default(false), path: pathSchema('/config') }),
});

const V2_KEYS = ['component_health', 'http'] as const;

export const configSchema = section(
  {
    endpoint: listenEndpointSchema.default(DEFAULT_ENDPOINT),
    tls: tlsServerSchema.nullish(),
    path: pathSchema('/'),
    /** Texts sent in place of the JSON body. */
    response_body: section({
      healthy: z.string().default(''),
      unhealthy: z.string().default(''),
    }).optional(),
    check_collector_pipeline: notActing(z.json(), UPSTREAM_DISABLED),
    /** The status tree in place of the single answer: upstream's healthcheckv2. */
    use_v2: z.boolean().default(false),
    component_health: componentHealthSchema.optional(),
    http: httpSchema.optional(),
    grpc: z
      .unknown()
      .optional()
      .refine((value) => value === undefined, {
        error: 'is not supported: health is told over HTTP alone (use "http")',
      }),
  },
  (config, issues) => {
    for (const key of V2_KEYS) {
      if (config.use_v2 || config[key] === undefined) continue;
      issues.addIssue({ code: 'custom', path: [key], message: 'has an effect with "use_v2: true" alone' });
    }
  },
);

/** What `use_v2` serves, with defaults. */
export function v2Of({ component_health, http }: Config) {
  return {
    health: component_health ?? componentHealthSchema.parse({}),
    http: http ?? httpSchema.parse({}),
  };
}

export type Config = z.output<typeof configSchema>;
