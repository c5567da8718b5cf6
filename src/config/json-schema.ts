// SPDX-License-Identifier: Apache-2.0
import * as z from 'zod';
import type { AnyFactory, Factories } from '../component/factory.ts';
import { keyDescription } from './key-descriptions.ts';
import { formatDuration, isDurationTransform } from './sections/duration.ts';
import { isSecretTransform } from './sections/secret.ts';
import { isChoice, isCommaList, notActingReason } from './sections/section.ts';
import { shareDefinitions } from './shared-definitions.ts';
import { pipelineSchema, telemetrySchema, idsSchema } from './service-section.ts';

/** A JSON Schema, 2020-12. */
export type JsonSchema = z.core.JSONSchema.BaseSchema;

type Schema = z.core.$ZodType;

const ID_NAME = '(/\\s*[^\\s]+)?';
const EXPANSION: JsonSchema = { $ref: '#/$defs/expansion' };
const DURATION: JsonSchema = { $ref: '#/$defs/duration' };

/** What every schema of this file may refer to. */
const DEFINITIONS: Readonly<Record<string, JsonSchema>> = {
  expansion: {
    type: 'string',
    pattern: '\\$\\{',
    description:
      '${env:NAME}, ${env:NAME:-default}, ${file:path} and the like: replaced before it is checked',
  },
  duration: {
    description: 'a duration such as 200ms, 5s, 1m30s, 2h',
    anyOf: [
      { type: 'string', pattern: '^[+]?((\\d+\\.?\\d*|\\.\\d+)(ns|us|µs|μs|ms|s|m|h))+$|^[+-]?0$' },
      { type: 'integer', const: 0 },
    ],
  },
};

/**
 * JSON Schema of a whole configuration of these components, for editors. It knows keys, types, ranges and
 * defaults; what depends on more than one key (references, "one of these two") only `validate` tells.
 */
export function configJsonSchema(factories: Factories): JsonSchema {
  const sections = {
    receivers: factories.receivers,
    processors: factories.processors,
    exporters: factories.exporters,
    extensions: factories.extensions,
  };
  const all: readonly AnyFactory[] = Object.values(sections).flat();
  const components = Object.fromEntries(
    Object.entries(sections).map(([name, list]) => [name, componentsSchema(list)]),
  );
  return shareDefinitions({
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'Configuration of otelcol-profiles',
    type: 'object',
    properties: {
      ...components,
      connectors: orNull({ type: 'object', additionalProperties: false }),
      service: serviceSchema(),
    },
    // `receivers::otlp::protocols: …` is a key of its own in a source and nested only later.
    patternProperties: { '::': {} },
    additionalProperties: false,
    $defs: {
      ...DEFINITIONS,
      ...Object.fromEntries(all.map((factory) => [definitionOf(factory), componentJsonSchema(factory)])),
    },
  });
}

/** JSON Schema of one component's section; it may refer to `#/$defs` of the whole. */
export function componentJsonSchema(factory: AnyFactory): JsonSchema {
  return sectionSchema(factory.schema);
}

/** The telemetry of the service, as one more section. */
export function telemetryJsonSchema(): JsonSchema {
  return sectionSchema(telemetrySchema);
}

function serviceSchema(): JsonSchema {
  return orNull({
    type: 'object',
    properties: {
      extensions: {
        ...sectionSchema(idsSchema),
        description: 'the extensions that run, in the order of their start',
      },
      pipelines: orNull({
        type: 'object',
        description: 'profiles, profiles/NAME: where profiles come from, what happens to them, where they go',
        patternProperties: { [`^\\s*profiles\\s*${ID_NAME}\\s*$`]: sectionSchema(pipelineSchema) },
        additionalProperties: false,
      }),
      telemetry: telemetryJsonSchema(),
    },
    additionalProperties: false,
  });
}

function componentsSchema(factories: readonly AnyFactory[]): JsonSchema {
  const patternProperties: Record<string, JsonSchema> = {};
  for (const factory of factories) {
    const { type, aliases = [] } = factory;
    const $ref = `#/$defs/${definitionOf(factory)}`;
    patternProperties[`^\\s*${type}\\s*${ID_NAME}\\s*$`] = { $ref };
    for (const alias of aliases) {
      patternProperties[`^\\s*${alias}\\s*${ID_NAME}\\s*$`] = {
        $ref,
        deprecated: true,
        description: `an older name of ${type}`,
      };
    }
  }
  return orNull({ type: 'object', patternProperties, additionalProperties: false });
}

const definitionOf = ({ kind, type }: AnyFactory): string => `${kind}-${type}`;

function sectionSchema(schema: Schema): JsonSchema {
  const made = z.toJSONSchema(schema, {
    io: 'input',
    unrepresentable: 'any',
    reused: 'inline',
    override: ({ zodSchema, jsonSchema }) => adapt(zodSchema, jsonSchema),
  });
  const { $schema: _, ...rest } = made;
  return lenient(rest, []);
}

/** What zod cannot know: how durations, choices, lists and secrets are written, and what has no effect. */
function adapt(schema: Schema, json: JsonSchema): void {
  const { def } = (schema as z.core.$ZodTypes)._zod;
  const reason = notActingReason(schema);
  if (reason !== undefined) Object.assign(json, { deprecated: true, description: reason });
  if (def.type === 'default' || def.type === 'prefault') {
    const { defaultValue } = def;
    const isTime = typeof defaultValue === 'number' && isDuration(def.innerType);
    const shown = isTime ? formatDuration(defaultValue) : defaultValue;
    if (isPlain(shown)) json.default = shown;
  }
  if (isDuration(schema)) {
    delete json.type;
    delete json.anyOf;
    Object.assign(json, DURATION);
  }
  if (def.type === 'pipe' && isSecretTransform(def.out)) json.writeOnly = true;
  if (isCommaList(schema)) {
    const { type, items, ...rest } = json;
    delete json.type;
    delete json.items;
    Object.assign(json, rest, { anyOf: [{ type, items }, { type: 'string' }] });
  }
  if (isChoice(schema)) {
    const values = (json.enum ?? []).map(String);
    delete json.type;
    delete json.enum;
    const anyCase = values.map((value) => value.replace(/[a-z]/g, (c) => `[${c}${c.toUpperCase()}]`));
    json.anyOf = [{ enum: values }, { type: 'string', pattern: `^(${anyCase.join('|')})?$` }];
  }
  // zod counts a section that makes itself of nothing among the required keys.
  if (def.type === 'object' && json.required !== undefined) {
    const needed = json.required.filter((key) => !isSatisfied(def.shape[key]));
    if (needed.length === 0) delete json.required;
    else json.required = needed;
  }
  if (json.maximum === Number.MAX_SAFE_INTEGER) delete json.maximum;
  if (json.minimum === Number.MIN_SAFE_INTEGER) delete json.minimum;
  // A name of zod's own that no validator knows.
  if (json.format === 'starts_with') delete json.format;
}

/** A null leaves the default and `${…}` may stand for anything, so every place but a required one takes both. */
function lenient(json: JsonSchema, path: readonly string[], isRequired = false): JsonSchema {
  // zod's definition of any JSON value, which says no more than nothing does.
  if (json.$ref?.startsWith('#/$defs/__schema') === true) {
    const { $ref: _, ...described } = json;
    return lenient(described, path, isRequired);
  }
  const { properties, items, additionalProperties, anyOf, $defs: _, ...rest } = json;
  const required = new Set(json.required);
  const description = rest.description ?? (path.length > 0 ? keyDescription(path) : undefined);
  const own: JsonSchema = {
    ...rest,
    ...(description !== undefined && { description }),
    ...(properties !== undefined && {
      properties: Object.fromEntries(
        Object.entries(properties).map(([key, value]) => [
          key,
          lenient(asSchema(value), [...path, key], required.has(key)),
        ]),
      ),
    }),
    ...(items !== undefined && !Array.isArray(items) && { items: lenient(asSchema(items), [], true) }),
    ...(additionalProperties !== undefined && {
      additionalProperties:
        typeof additionalProperties === 'object' ? lenient(additionalProperties, []) : additionalProperties,
    }),
    ...(anyOf !== undefined && { anyOf: anyOf.map((one) => lenient(asSchema(one), [], true)) }),
  };
  if (path.length === 0 && isRequired) return own;
  return isRequired ? orExpansion(own) : orNull(own);
}

const asSchema = (value: JsonSchema | boolean): JsonSchema => (typeof value === 'boolean' ? {} : value);

/** The schema, or null, or a `${…}` that becomes it. What describes it stays outside, where editors look. */
function orNull(json: JsonSchema): JsonSchema {
  return widened(json, [{ type: 'null' }, EXPANSION]);
}

function orExpansion(json: JsonSchema): JsonSchema {
  return widened(json, [EXPANSION]);
}

function widened(json: JsonSchema, others: readonly JsonSchema[]): JsonSchema {
  const { description, default: preset, deprecated, writeOnly, anyOf, ...rest } = json;
  const branches =
    anyOf !== undefined && Object.keys(rest).length === 0 ? anyOf : [{ ...rest, ...(anyOf && { anyOf }) }];
  const isOpen = Object.keys(rest).length === 0 && anyOf === undefined;
  return {
    ...(description !== undefined && { description }),
    ...(preset !== undefined && { default: preset }),
    ...(deprecated !== undefined && { deprecated }),
    ...(writeOnly !== undefined && { writeOnly }),
    ...(!isOpen && { anyOf: [...branches, ...others] }),
  };
}

const isSatisfied = (schema: unknown): boolean =>
  schema instanceof z.ZodType && schema.safeParse(undefined).success;

function isDuration(schema: Schema): boolean {
  const { def } = (schema as z.core.$ZodTypes)._zod;
  return def.type === 'pipe' && (isDurationTransform(def.out) || isDuration(def.in));
}

function isPlain(value: unknown): boolean {
  if (value === null || ['string', 'number', 'boolean'].includes(typeof value)) return true;
  if (Array.isArray(value)) return value.every(isPlain);
  return (
    typeof value === 'object' &&
    Object.getPrototypeOf(value) === Object.prototype &&
    Object.values(value).every(isPlain)
  );
}
