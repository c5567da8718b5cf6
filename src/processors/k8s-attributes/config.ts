// SPDX-License-Identifier: Apache-2.0
import * as z from 'zod';
import { durationSchema } from '../../config/sections/duration.ts';
import { notActing, section } from '../../config/sections/section.ts';
import { Re2 } from '../../internal/re2.ts';
import { DEFAULT_METADATA, FIELD_SOURCES, METADATA_FIELDS } from './metadata-fields.ts';

const MAX_SOURCES = 4;

const regexSchema = (anchored: boolean) =>
  z.string().transform((source, issues): Re2 => {
    try {
      return new Re2(source, { anchored });
    } catch (error) {
      issues.addIssue({ code: 'custom', message: error instanceof Error ? error.message : String(error) });
      return z.NEVER;
    }
  });

const fieldSchema = z
  .strictObject({
    tag_name: z
      .string()
      .default('')
      .describe('attribute to set; default k8s.<from>.labels.<key> or .annotations.'),
    key: z.string().default('').describe('name of the label or annotation'),
    key_regex: regexSchema(true)
      .optional()
      .describe('RE2 for whole names; tag_name may say $1 (in YAML: $$1)'),
    from: z
      .enum(FIELD_SOURCES, {
        error: ({ input }) =>
          `${String(input)} is not a valid choice for From. Must be one of: ${FIELD_SOURCES.join(', ')}`,
      })
      .default('pod')
      .describe('object that carries it'),
  })
  .superRefine((field, issues) => {
    if (field.key !== '' && field.key_regex !== undefined) {
      const message = `Out of Key or KeyRegex only one option is expected to be configured at a time, currently Key:${field.key} and KeyRegex:${field.key_regex.source}`;
      issues.addIssue({ code: 'custom', message });
    }
    if (field.key === '' && field.key_regex === undefined) {
      issues.addIssue({ code: 'custom', message: 'one of "key" and "key_regex" is required' });
    }
  });

export type FieldConfig = z.output<typeof fieldSchema>;

const filterSchema = (...ops: readonly [string, ...string[]]) =>
  z.strictObject({
    key: z.string().min(1, 'must not be empty'),
    value: z.string().default(''),
    op: z
      .enum(['', ...ops], {
        error: ({ input }) =>
          `'${String(input)}' is not a valid label filter operation (valid values: [${ops.join(' ')}])`,
      })
      .default('equals'),
  });

const sourceSchema = z
  .strictObject({
    from: z.enum(['resource_attribute', 'connection']).describe('"connection" never matches profiles'),
    name: z.string().default('').describe('attribute, e.g. container.id, k8s.pod.uid, k8s.pod.ip'),
  })
  .superRefine(({ from, name }, issues) => {
    if (from === 'resource_attribute' && name === '') {
      issues.addIssue({
        code: 'custom',
        message: '"name" is required for from: resource_attribute',
        path: ['name'],
      });
    }
  });

const associationSchema = z.strictObject({
  sources: z
    .array(sourceSchema)
    .min(1)
    .max(MAX_SOURCES, `too many association sources. limit is ${MAX_SOURCES}`),
});

export type Association = z.output<typeof associationSchema>;

const metadataSchema = z.enum(METADATA_FIELDS, {
  error: ({ input }) =>
    `"${String(input)}" is not a supported metadata field (valid values: [${METADATA_FIELDS.join(' ')}])`,
});

const namespacesSchema = z.preprocess(
  (value) => (typeof value === 'string' ? [value] : value),
  z.array(z.string()).transform((list) => list.filter((name) => name !== '')),
);

const RESYNC = 'every change is applied when it arrives, there is nothing to synchronize again';

export const configSchema = section(
  {
    auth_type: z
      .enum(['serviceAccount', 'kubeConfig', 'none'], {
        error: ({ input }) =>
          `invalid authType for kubernetes: ${String(input)} (valid values: [serviceAccount kubeConfig none])`,
      })
      .default('serviceAccount')
      .describe('how to log in to the API server'),
    context: z.string().default('').describe('kubeconfig context; default: its current-context'),
    kube_config_path: z.string().default('').describe('kubeconfig file; default $KUBECONFIG, ~/.kube/config'),
    kube_api_qps: z.number().positive().default(5).describe('requests a second to the API server'),
    kube_api_burst: z.int().positive().default(10).describe('requests that may go at once'),
    passthrough: z.boolean().default(false).describe('ask no API server; without effect on profiles'),
    wait_for_metadata: z.boolean().default(false).describe('start only with pods known'),
    wait_for_metadata_timeout: durationSchema().default(10_000).describe('start fails after'),
    watch_sync_period: notActing(durationSchema().describe('resynchronization, not needed here'), RESYNC),
    pod_delete_grace_period: durationSchema().default(120_000).describe('deleted pods are known for so long'),
    filter: section({
      node: z.string().default('').describe('only pods on this node'),
      node_from_env_var: z.string().default('').describe('environment variable that names the node'),
      namespace: namespacesSchema.default([]).describe('only pods of these namespaces'),
      fields: z.array(filterSchema('equals', 'not-equals')).default([]).describe('field selectors of pods'),
      labels: z
        .array(filterSchema('equals', 'not-equals', 'exists', 'does-not-exist'))
        .default([])
        .describe('label selectors of pods'),
    }),
    pod_association: z.array(associationSchema).default([]).describe('how a resource tells its pod'),
    exclude: section({
      pods: z
        .array(z.strictObject({ name: regexSchema(false) }))
        .prefault([{ name: 'jaeger-agent' }, { name: 'jaeger-collector' }])
        .describe('pods that are left alone, by name (RE2, found anywhere)'),
    }),
    extract: section({
      metadata: z
        .array(metadataSchema)
        .default([])
        .transform((fields) => new Set(fields.length > 0 ? fields : DEFAULT_METADATA))
        .describe('attributes to set'),
      labels: z.array(fieldSchema).default([]).describe('labels to copy'),
      annotations: z.array(fieldSchema).default([]).describe('annotations to copy'),
      otel_annotations: z
        .boolean()
        .default(false)
        .describe('copy annotations resource.opentelemetry.io/<attribute>'),
      deployment_name_from_replicaset: z
        .boolean()
        .default(true)
        .describe('cut the hash from the name of the ReplicaSet instead of watching ReplicaSets'),
    }),
    kubelet: z
      .never(
        'is not available in this distribution; pods are watched through the API server, with filter.node only those of one node',
      )
      .optional()
      .describe('not available'),
  },
  (config, issues) => {
    const variable = config.filter.node_from_env_var;
    if (variable !== '' && (process.env[variable] ?? '') === '') {
      issues.addIssue({
        code: 'custom',
        message: `\`node_from_env_var\` is configured but envvar "${variable}" is not set`,
        path: ['filter', 'node_from_env_var'],
      });
    }
    const seen = new Set<string>();
    for (const [index, rule] of config.pod_association.entries()) {
      const key = JSON.stringify(rule);
      if (seen.has(key)) {
        issues.addIssue({
          code: 'custom',
          message: 'duplicate pod association rule',
          path: ['pod_association', index],
        });
      }
      seen.add(key);
    }
  },
);

export type Config = z.output<typeof configSchema>;
