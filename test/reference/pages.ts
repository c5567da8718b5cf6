// SPDX-License-Identifier: Apache-2.0
import type { AnyFactory, Factories } from '../../src/component/factory.ts';
import {
  componentJsonSchema,
  configJsonSchema,
  type JsonSchema,
  telemetryJsonSchema,
} from '../../src/config/json-schema.ts';

/** Generated files below docs/: the JSON Schema and one page a component, by name. */
export function referencePages(factories: Factories): ReadonlyMap<string, string> {
  const all: readonly AnyFactory[] = [
    ...factories.receivers,
    ...factories.processors,
    ...factories.exporters,
    ...factories.extensions,
  ];
  const pages = new Map<string, string>();
  pages.set('config.schema.json', `${JSON.stringify(configJsonSchema(factories), null, 2)}\n`);
  for (const factory of all) pages.set(`reference/${pageName(factory)}`, componentPage(factory));
  pages.set(
    'reference/service-telemetry.md',
    page('service::telemetry', 'The own logs, metrics and traces of the collector.', telemetryJsonSchema()),
  );
  pages.set('reference/README.md', index(all));
  return pages;
}

const pageName = ({ kind, type }: AnyFactory): string => `${kind}-${type.replaceAll('_', '-')}.md`;

const folderOf = ({ kind, type }: AnyFactory): string => `src/${kind}s/${type.replaceAll('_', '-')}`;

function componentPage(factory: AnyFactory): string {
  const { kind, type, aliases = [], stability } = factory;
  const names = aliases.length === 0 ? '' : ` Older names: ${aliases.map(code).join(', ')}.`;
  const intro = `Stability: ${stability}.${names} What it does: [${folderOf(factory)}](../../${folderOf(factory)}/README.md).`;
  return page(`${kind} \`${type}\``, intro, componentJsonSchema(factory));
}

function index(all: readonly AnyFactory[]): string {
  const rows = all.map((factory) => [
    `[\`${factory.type}\`](${pageName(factory)})`,
    factory.kind,
    factory.stability,
  ]);
  return [
    '# Configuration keys',
    '',
    'Made by `npm run docs` from the schemas that check a configuration. For editors: [config.schema.json](../config.schema.json).',
    '',
    ...table(['component', 'kind', 'stability'], rows),
    '',
    'Beside the components: [`service::telemetry`](service-telemetry.md).',
    '',
  ].join('\n');
}

function page(title: string, intro: string, schema: JsonSchema): string {
  const rows = keysOf(schema, '');
  return [
    `# ${title}`,
    '',
    intro,
    '',
    ...(rows.length === 0 ? ['It has no keys.'] : table(['key', 'type', 'default', 'meaning'], rows)),
    '',
    'Made by `npm run docs`.',
    '',
  ].join('\n');
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)];
}

/** One row a key, sections followed by what is in them. */
function keysOf(schema: JsonSchema, prefix: string): string[][] {
  return formsOf(schema).flatMap((form) => {
    if (form.type === 'array') return keysOf(asSchema(form.items), `${prefix}[]`);
    const required = new Set(form.required);
    return Object.entries(form.properties ?? {}).flatMap(([key, value]) => {
      const json = asSchema(value);
      const path = prefix === '' ? key : `${prefix}::${key}`;
      const preset = json.default === undefined ? '' : code(JSON.stringify(json.default));
      const meaning = [
        ...(required.has(key) ? ['required'] : []),
        ...(json.deprecated === true ? ['no effect'] : []),
        ...(json.writeOnly === true ? ['secret'] : []),
        ...(json.description === undefined ? [] : [escape(json.description)]),
      ].join('; ');
      const isSection = formsOf(json).some((f) => f.properties !== undefined);
      const row = [code(path), escape(typeOf(json)), isSection ? '' : preset, meaning];
      return [row, ...keysOf(json, path)];
    });
  });
}

/** The forms in which a value may be written, without null and `${…}`, which may stand anywhere. */
function formsOf(schema: JsonSchema): readonly JsonSchema[] {
  if (schema.anyOf === undefined) return [schema];
  return schema.anyOf
    .map(asSchema)
    .filter((form) => form.type !== 'null' && form.$ref !== '#/$defs/expansion')
    .flatMap(formsOf);
}

function typeOf(schema: JsonSchema): string {
  const names = formsOf(schema).map((form) => {
    if (form.$ref === '#/$defs/duration') return 'duration';
    const values = form.enum ?? (form.const === undefined ? undefined : [form.const]);
    if (values !== undefined) return values.map((value) => code(JSON.stringify(value))).join(' | ');
    if (form.type === 'array') return `list of ${typeOf(asSchema(form.items))}`;
    if (form.type === 'object') return 'mapping';
    if (form.type === 'integer' || form.type === 'number') return range(form);
    // The other spelling of a choice.
    if (form.type === 'string' && form.pattern?.startsWith('^(') === true) return '';
    return typeof form.type === 'string' ? form.type : 'any';
  });
  return [...new Set(names)].filter((name) => name !== '').join(' or ');
}

function range({ type, minimum, maximum, exclusiveMinimum }: JsonSchema): string {
  const low = minimum ?? exclusiveMinimum;
  const from = low === undefined ? '' : ` from ${low}`;
  const to = maximum === undefined ? '' : ` to ${maximum}`;
  return `${String(type)}${from}${to}`;
}

const asSchema = (value: unknown): JsonSchema =>
  typeof value === 'object' && value !== null ? { ...value } : {};

const code = (text: string): string => `\`${text.replaceAll('|', '\\|')}\``;

const escape = (text: string): string => text.replaceAll(/(?<!\\)\|/g, '\\|').replaceAll('\n', ' ');
