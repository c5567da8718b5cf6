// SPDX-License-Identifier: Apache-2.0
import type * as z from 'zod';

type JsonSchema = z.core.JSONSchema.BaseSchema;

/** Smaller ones are read more easily where they stand. */
const MIN_LENGTH = 300;

/** The schema with what it says twice said once, below `$defs`, under the name of the first key that has it. */
export function shareDefinitions(schema: JsonSchema): JsonSchema {
  const counts = new Map<string, number>();
  visit(schema, (text) => counts.set(text, (counts.get(text) ?? 0) + 1));
  const names = new Map<string, string>();
  const definitions: Record<string, unknown> = {};
  const replace = (value: unknown, key: string): unknown => {
    if (Array.isArray(value)) return value.map((item) => replace(item, key));
    if (typeof value !== 'object' || value === null) return value;
    const inner = (): unknown =>
      Object.fromEntries(Object.entries(value).map(([k, v]: [string, unknown]) => [k, replace(v, k)]));
    const text = JSON.stringify(value);
    if (text.length < MIN_LENGTH || !('anyOf' in value) || (counts.get(text) ?? 0) < 2) return inner();
    const known = names.get(text);
    if (known !== undefined) return { $ref: `#/$defs/${known}` };
    const name = unused(`key-${key.replaceAll(/[^A-Za-z0-9_]/g, '_')}`, definitions);
    names.set(text, name);
    definitions[name] = null;
    definitions[name] = inner();
    return { $ref: `#/$defs/${name}` };
  };
  const { $defs, ...rest } = schema;
  const own = replace($defs, '');
  const whole = replace(rest, '');
  return { ...Object(whole), $defs: { ...Object(own), ...definitions } };
}

function visit(value: unknown, see: (text: string) => void): void {
  if (typeof value !== 'object' || value === null) return;
  if ('anyOf' in value) see(JSON.stringify(value));
  for (const inner of Object.values(value)) visit(inner, see);
}

function unused(name: string, taken: Readonly<Record<string, unknown>>): string {
  let free = name;
  for (let n = 2; Object.hasOwn(taken, free); n++) free = `${name}-${n}`;
  return free;
}
