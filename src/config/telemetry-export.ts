// SPDX-License-Identifier: Apache-2.0
import { z } from 'zod';
import { parseHostPort } from '../internal/endpoint.ts';
import { withoutPassword } from '../internal/url-password.ts';
import { grpcAuthority } from './sections/endpoint.ts';
import { headersSchema, secretSchema } from './sections/secret.ts';
import { choice, notActing, section } from './sections/section.ts';

/**
 * How own metrics, spans and log entries are sent. Keys and defaults of the OpenTelemetry configuration
 * schema 0.3, which the Go Collector reads. Times are milliseconds.
 * Source: https://github.com/open-telemetry/opentelemetry-configuration/tree/v0.3.0/schema
 */
const otlpShape = {
  protocol: z.enum(['http/protobuf', 'grpc']).default('http/protobuf'),
  endpoint: z.string().optional(),
  certificate: z.string().optional(),
  client_certificate: z.string().optional(),
  client_key: z.string().optional(),
  insecure: z.boolean().default(false),
  compression: choice('none', 'gzip').default('none'),
  headers: headersSchema.default({}),
  headers_list: secretSchema.optional(),
  timeout: z.int().min(0).default(10_000),
};

type Otlp = z.output<z.ZodObject<typeof otlpShape>>;

function checkOtlp(otlp: Otlp, issues: z.core.$RefinementCtx): void {
  const fail = (key: string, message: string): void => {
    issues.addIssue({ code: 'custom', path: [key], message });
  };
  const wrong = endpointFault(otlp);
  if (wrong !== undefined) fail('endpoint', wrong);
  if ((otlp.client_certificate === undefined) !== (otlp.client_key === undefined))
    fail('client_certificate', 'provide both client_certificate and client_key, or neither');
  if (otlp.headers_list !== undefined && headersOfList(otlp.headers_list.reveal()) === undefined)
    fail('headers_list', 'must be "name=value" pairs with commas between them');
}

function endpointFault({ protocol, endpoint }: Otlp): string | undefined {
  if (endpoint === undefined) return undefined;
  if (protocol === 'grpc') {
    try {
      const { host, port } = parseHostPort(grpcAuthority(endpoint));
      return host === '' || port === 0 ? `needs a host and a port (write "host:4317")` : undefined;
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  }
  const url = URL.canParse(endpoint) ? new URL(endpoint) : undefined;
  if (url !== undefined && /^https?:$/.test(url.protocol)) return undefined;
  const shown = JSON.stringify(withoutPassword(endpoint));
  return `invalid URL ${shown} for protocol "http/protobuf" (write "http://host:4318", or protocol: grpc)`;
}

/** `headers_list` by name, values decoded; undefined where it is no such list. Source: W3C Baggage. */
export function headersOfList(text: string): Readonly<Record<string, string>> | undefined {
  const headers: Record<string, string> = {};
  for (const part of text.split(',').filter((one) => one.trim() !== '')) {
    const match = /^\s*([!#$%&'*+.^_`|~0-9A-Za-z-]+)\s*=(.*)$/.exec(part);
    if (match === null) return undefined;
    const [, name = '', value = ''] = match;
    try {
      headers[name] = decodeURIComponent(value.trim());
    } catch {
      return undefined;
    }
  }
  return headers;
}

const consoleSchema = z
  .unknown()
  .optional()
  .refine((value) => value === undefined, {
    error: 'is not supported: own telemetry is sent with "otlp"; entries of the log are on stderr anyway',
  });

const noExporter = (
  { otlp, console }: { readonly otlp?: unknown; readonly console?: unknown },
  issues: z.core.$RefinementCtx,
): void => {
  if (otlp !== undefined || console !== undefined) return;
  issues.addIssue({ code: 'custom', message: 'must name an exporter (write "otlp:")' });
};

const exporterSchema = section(
  { otlp: section(otlpShape, checkOtlp).optional(), console: consoleSchema },
  noExporter,
);

/** Where and how to send, of metrics: `temporality_preference` says what sums and histograms count from. */
export const periodicSchema = section({
  interval: z.int().min(1).default(60_000),
  timeout: z.int().min(0).default(30_000),
  exporter: section(
    {
      otlp: section(
        {
          ...otlpShape,
          temporality_preference: choice('cumulative', 'delta', 'lowmemory').default('cumulative'),
          default_histogram_aggregation: z
            .enum(['explicit_bucket_histogram'])
            .default('explicit_bucket_histogram'),
        },
        checkOtlp,
      ).optional(),
      console: consoleSchema,
    },
    noExporter,
  ),
});

const processorSchema = (scheduleDelayMs: number) =>
  section(
    {
      batch: section({
        schedule_delay: z.int().min(0).default(scheduleDelayMs),
        export_timeout: z.int().min(0).default(30_000),
        max_queue_size: z.int().min(1).default(2048),
        max_export_batch_size: z.int().min(1).default(512),
        exporter: exporterSchema,
      }).optional(),
      simple: section({ exporter: exporterSchema }).optional(),
    },
    (processor, issues) => {
      if ((processor.batch === undefined) !== (processor.simple === undefined)) return;
      issues.addIssue({ code: 'custom', message: 'must be either "batch" or "simple"' });
    },
  );

/** `service::telemetry::traces::processors`. */
export const spanProcessorsSchema = z.array(processorSchema(5_000)).default([]);
/** `service::telemetry::logs::processors`. */
export const logProcessorsSchema = z.array(processorSchema(1_000)).default([]);

const decisionShape = {
  always_on: section({}).optional(),
  always_off: section({}).optional(),
  trace_id_ratio_based: section({ ratio: z.number().min(0).max(1).default(1) }).optional(),
};

const isOne = (sampler: object, issues: z.core.$RefinementCtx): void => {
  const named = Object.values(sampler).filter((value) => value !== undefined);
  if (named.length === 1) return;
  issues.addIssue({ code: 'custom', message: 'must name one sampler' });
};

const decisionSchema = section(decisionShape, isOne);

/** `service::telemetry::traces::sampler`; absent: as the caller decided, and everything that has no caller. */
export const samplerSchema = section(
  {
    ...decisionShape,
    parent_based: section({
      root: decisionSchema.optional(),
      remote_parent_sampled: decisionSchema.optional(),
      remote_parent_not_sampled: decisionSchema.optional(),
      local_parent_sampled: decisionSchema.optional(),
      local_parent_not_sampled: decisionSchema.optional(),
    }).optional(),
  },
  isOne,
).optional();

/** `service::telemetry::metrics::views`: what the first view that fits makes of a metric. */
export const viewsSchema = z
  .array(
    section({
      selector: section({
        instrument_name: z.string().optional(),
        instrument_type: z
          .enum([
            'counter',
            'gauge',
            'histogram',
            'observable_counter',
            'observable_gauge',
            'observable_up_down_counter',
            'up_down_counter',
          ])
          .optional(),
        unit: z.string().optional(),
        meter_name: z.string().optional(),
        meter_version: z.string().optional(),
        meter_schema_url: notActing(z.string(), 'does not act: own metrics name no schema'),
      }),
      stream: section({
        name: z
          .string()
          .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, { error: 'must be of letters, digits and "_"' })
          .optional(),
        description: z.string().optional(),
        aggregation: section({
          default: section({}).optional(),
          drop: section({}).optional(),
          explicit_bucket_histogram: section({
            boundaries: z.array(z.number()).optional(),
            record_min_max: notActing(z.boolean(), 'does not act: extremes are not kept'),
          }).optional(),
        }).optional(),
        attribute_keys: section({
          included: z.array(z.string()).optional(),
          excluded: z.array(z.string()).optional(),
        }).optional(),
      }),
    }),
  )
  .default([]);

/** An OTLP exporter of own telemetry. */
export type OwnOtlpConfig = Otlp;
/** How own metrics are sent. */
export type PeriodicConfig = z.output<typeof periodicSchema>;
/** How own spans or log entries are sent. */
export type OwnProcessorsConfig = z.output<typeof spanProcessorsSchema>;
/** Which traces are kept. */
export type SamplerConfig = NonNullable<z.output<typeof samplerSchema>>;
/** One decision of a sampler. */
export type DecisionConfig = z.output<typeof decisionSchema>;
/** What is made of metrics. */
export type ViewsConfig = z.output<typeof viewsSchema>;
