// SPDX-License-Identifier: Apache-2.0
import type * as z from 'zod';
import type { ExtensionRole } from '../component/authenticator.ts';
import { withoutPassword } from '../internal/url-password.ts';
import { formatDuration, isDurationTransform } from './sections/duration.ts';
import { isSecretTransform, REDACTED } from './sections/secret.ts';
import { notActingReason, referencedRole } from './sections/section.ts';
import type { PlainValue } from './loaded-config.ts';
import type { TreePath } from './tree.ts';

type Schema = z.core.$ZodType;

/** An extension that a component names, and as what. */
export interface Reference {
  readonly path: TreePath;
  readonly role: ExtensionRole;
  readonly text: string;
}

/** What a walk does at a leaf and at a key; the walk itself fills in defaults. */
interface Visitor {
  readonly redact: boolean;
  /** A key that the user wrote and that has no effect. */
  notActing?(path: TreePath, reason: string): void;
  /** A key that names an extension. */
  reference?(reference: Reference): void;
}

/** The configuration that `input` stands for: every default written out, secrets hidden if asked. */
export function withDefaults(schema: Schema, input: unknown, redact: boolean): PlainValue {
  return (walk(schema, input, [], { redact }) ?? null) as PlainValue;
}

/** Paths of all keys of `input` that the schema marks as having no effect, with the reason. */
export function keysNotActing(schema: Schema, input: unknown): { path: TreePath; reason: string }[] {
  const found: { path: TreePath; reason: string }[] = [];
  walk(schema, input, [], { redact: true, notActing: (path, reason) => found.push({ path, reason }) });
  return found;
}

/** Every extension that `input` names. */
export function referencesOf(schema: Schema, input: unknown): Reference[] {
  const found: Reference[] = [];
  walk(schema, input, [], { redact: true, reference: (reference) => found.push(reference) });
  return found;
}

function walk(schema: Schema, input: unknown, path: TreePath, visitor: Visitor): unknown {
  const reason = notActingReason(schema);
  if (reason !== undefined && input !== undefined) visitor.notActing?.(path, reason);
  const role = referencedRole(schema);
  if (role !== undefined && typeof input === 'string') visitor.reference?.({ path, role, text: input });
  const { def } = (schema as z.core.$ZodTypes)._zod;
  switch (def.type) {
    case 'default':
    case 'prefault': {
      if (input !== undefined) return walk(def.innerType, input, path, visitor);
      const value = def.defaultValue;
      return typeof value === 'number' && isDuration(def.innerType)
        ? formatDuration(value)
        : walk(def.innerType, value, path, visitor);
    }
    case 'nullable':
      return input === null ? null : walk(def.innerType, input, path, visitor);
    case 'optional':
      return input === undefined ? undefined : walk(def.innerType, input, path, visitor);
    case 'readonly':
    case 'nonoptional':
    case 'catch':
      return walk(def.innerType, input, path, visitor);
    case 'lazy':
      return walk(def.getter(), input, path, visitor);
    case 'pipe':
      if (isSecretTransform(def.out)) return visitor.redact && input !== undefined ? REDACTED : input;
      return walk(isTransform(def.in) ? def.out : def.in, input, path, visitor);
    case 'union': {
      const chosen = def.options.find((option) => (option as z.ZodType).safeParse(input).success);
      return chosen === undefined ? input : walk(chosen, input, path, visitor);
    }
    case 'array':
      if (!Array.isArray(input)) return input ?? [];
      return input.map((item, index) => walk(def.element, item, [...path, index], visitor));
    case 'record':
      return mapEntries(asMapping(input), (key, value) =>
        walk(def.valueType, value, [...path, key], visitor),
      );
    case 'object': {
      if (input !== undefined && input !== null && typeof input !== 'object') return input;
      const mapping = asMapping(input);
      return mapEntries(def.shape, (key, inner) =>
        walk(inner as Schema, own(mapping, key), [...path, key], visitor),
      );
    }
    default:
      return visitor.redact && typeof input === 'string' ? withoutPassword(input) : input;
  }
}

/** Keys that the schema knows at a path; empty where it takes any. */
export function knownKeys(schema: Schema, path: TreePath): readonly string[] {
  const candidates = path.reduce<readonly Schema[]>(
    (at, step) => at.flatMap((s) => inside(s, step)),
    bare(schema),
  );
  return candidates.flatMap((candidate) => {
    const { def } = (candidate as z.core.$ZodTypes)._zod;
    return def.type === 'object' ? Object.keys(def.shape) : [];
  });
}

function inside(schema: Schema, step: string | number): readonly Schema[] {
  const { def } = (schema as z.core.$ZodTypes)._zod;
  if (def.type === 'array') return bare(def.element);
  if (def.type === 'record') return bare(def.valueType);
  const inner = def.type === 'object' ? own(def.shape, String(step)) : undefined;
  return inner === undefined ? [] : bare(inner as Schema);
}

/** The schemas behind wrappers, pipes and unions: those that say what a value looks like. */
function bare(schema: Schema): readonly Schema[] {
  const { def } = (schema as z.core.$ZodTypes)._zod;
  switch (def.type) {
    case 'default':
    case 'prefault':
    case 'nullable':
    case 'optional':
    case 'readonly':
    case 'nonoptional':
    case 'catch':
      return bare(def.innerType);
    case 'lazy':
      return bare(def.getter());
    case 'pipe':
      return bare(isTransform(def.in) ? def.out : def.in);
    case 'union':
      return def.options.flatMap(bare);
    default:
      return [schema];
  }
}

function isDuration(schema: Schema): boolean {
  const { def } = (schema as z.core.$ZodTypes)._zod;
  return def.type === 'pipe' && (isDurationTransform(def.out) || isDuration(def.in));
}

const isTransform = (schema: Schema): boolean => schema._zod.def.type === 'transform';

const asMapping = (input: unknown): object => (typeof input === 'object' && input !== null ? input : {});

const own = (mapping: object, key: string): unknown =>
  Object.hasOwn(mapping, key) ? Reflect.get(mapping, key) : undefined;

function mapEntries(mapping: object, change: (key: string, value: unknown) => unknown): object {
  const entries = Object.entries(mapping).map(([key, value]) => [key, change(key, value)] as const);
  return Object.fromEntries(entries.filter(([, value]) => value !== undefined));
}
