// SPDX-License-Identifier: Apache-2.0
import * as z from 'zod';
import type { ComponentId } from '../component/id.ts';
import { durationSchema } from './sections/duration.ts';
import { choice, notActing, section, stringListSchema } from './sections/section.ts';
import {
  logProcessorsSchema,
  periodicSchema,
  samplerSchema,
  spanProcessorsSchema,
  viewsSchema,
} from './telemetry-export.ts';

/** A pipeline with its ids parsed; every id names a configured component. */
export interface PipelineConfig {
  readonly id: ComponentId;
  readonly receivers: readonly ComponentId[];
  readonly processors: readonly ComponentId[];
  readonly exporters: readonly ComponentId[];
}

/** The `service:` section of a checked configuration. */
export interface ServiceConfig {
  readonly extensions: readonly ComponentId[];
  readonly pipelines: ReadonlyMap<string, PipelineConfig>;
  readonly telemetry: TelemetryConfig;
}

const logsSchema = section({
  level: choice('info', 'debug', 'warn', 'error', 'dpanic', 'panic', 'fatal').default('info'),
  encoding: choice('console', 'json').default('console'),
  development: notActing(z.boolean()),
  disable_caller: notActing(
    z.boolean(),
    'does not act: entries name their component instead of a line of code',
  ),
  disable_stacktrace: notActing(z.boolean(), 'does not act: stack traces are logged at level debug alone'),
  disable_zap_resource: notActing(
    z.boolean(),
    'does not act: lines do not repeat the resource; exported entries carry it once',
  ),
  sampling: section({
    enabled: z.boolean().default(true),
    tick: durationSchema().default(10_000),
    initial: z.int().min(0).default(10),
    thereafter: z.int().min(0).default(100),
  }),
  output_paths: stringListSchema.default(['stderr']),
  error_output_paths: stringListSchema.default(['stderr']),
  initial_fields: z.record(z.string(), z.json()).default({}),
  processors: logProcessorsSchema,
});

const prometheusSchema = section({
  host: z.string().default('localhost'),
  port: z.int().min(0).max(65_535).default(8888),
  without_scope_info: z.boolean().default(true),
  without_type_suffix: z.boolean().default(true),
  without_units: z.boolean().default(true),
  with_resource_constant_labels: notActing(z.json()),
});

const readerSchema = section({
  pull: section({ exporter: section({ prometheus: prometheusSchema }) }).optional(),
  periodic: periodicSchema.optional(),
});

const metricsSchema = section(
  {
    level: choice('normal', 'none', 'basic', 'detailed').default('normal'),
    readers: z.array(readerSchema).default(() => [readerSchema.parse({ pull: {} })]),
    views: viewsSchema,
  },
  (metrics, issues) => {
    if (metrics.level === 'none' || metrics.readers.length > 0) return;
    issues.addIssue({
      code: 'custom',
      path: ['readers'],
      message: 'must have at least one reader unless level is "none"',
    });
  },
);

const tracesSchema = section({
  level: choice('basic', 'none').default('basic'),
  propagators: z.array(z.enum(['tracecontext', 'b3'])).default(['tracecontext']),
  processors: spanProcessorsSchema,
  sampler: samplerSchema,
});

const scalarSchema = z.union([z.string(), z.number(), z.boolean()]).transform(String);

// The declarative form is told from the older inline map by its list of attributes.
const resourceSchema = z.preprocess(
  (value) => value ?? {},
  z
    .union([
      z.strictObject({
        attributes: z.array(
          z.strictObject({ name: z.string(), value: scalarSchema, type: z.string().optional() }),
        ),
        schema_url: z.string().optional(),
        'detection/development': notActing(z.json()),
      }),
      z.record(z.string(), scalarSchema.nullable()),
    ])
    .transform((resource): Readonly<Record<string, string | null>> => {
      if (!Array.isArray(resource.attributes)) return resource as Readonly<Record<string, string | null>>;
      return Object.fromEntries(resource.attributes.map(({ name, value }) => [name, value]));
    }),
);

/** `service::telemetry` with upstream's keys and defaults. */
export const telemetrySchema = section({
  logs: logsSchema,
  metrics: metricsSchema,
  traces: tracesSchema,
  resource: resourceSchema,
});

/**
 * `service::telemetry` with upstream's keys and defaults. Times are milliseconds. `resource` maps
 * attribute names to texts; null removes an automatic attribute.
 */
export type TelemetryConfig = z.output<typeof telemetrySchema>;

/** A list of component ids as written. */
export const idsSchema = z.preprocess((value) => value ?? [], stringListSchema);

/** `service::pipelines::<id>` as written. */
export const pipelineSchema = section({ receivers: idsSchema, processors: idsSchema, exporters: idsSchema });
