// SPDX-License-Identifier: Apache-2.0
import type * as z from 'zod';
import { didYouMean } from '../internal/suggest.ts';
import { knownKeys } from './schema-walk.ts';
import type { TreePath } from './tree.ts';

type Issue = z.core.$ZodIssue;
type Path = TreePath;

/** Something that a schema refused: a value, or a key it does not know. */
export type Refusal =
  | { readonly kind: 'value'; readonly path: Path; readonly message: string }
  | {
      readonly kind: 'unknown key';
      readonly path: Path;
      readonly key: string;
      readonly known: readonly string[];
    };

/** zod's name of a type → the one that users read. */
const TYPE_NAMES: Readonly<Record<string, string>> = { array: 'list', object: 'mapping', record: 'mapping' };

/** Wording of a schema's refusals, for `safeParse(value, { error: issueMessage, reportInput: true })`. */
export function issueMessage(issue: z.core.$ZodRawIssue): string | undefined {
  switch (issue.code) {
    case 'invalid_type':
      if (issue.input === undefined) return 'is required';
      return `expected type '${expectedType(issue)}', got unconvertible type '${typeName(issue.input, issue.expected)}'`;
    case 'invalid_value': {
      const { input, values } = issue;
      const quoted = input !== undefined && typeof input !== 'string';
      const shown = values.map((value) => (quoted || value === '' ? JSON.stringify(value) : String(value)));
      const valid = `(valid values: [${shown.join(' ')}])`;
      if (input === undefined) return `is required ${valid}`;
      if (quoted)
        return `expected type '${typeof values[0]}', got unconvertible type '${typeName(input)}' ${valid}`;
      return `invalid value ${JSON.stringify(input)} ${valid}${didYouMean(input, values.map(String))}`;
    }
    case 'too_small':
    case 'too_big':
      return sizeMessage(issue);
    case 'not_multiple_of':
      return `must be a multiple of ${issue.divisor}, got ${String(issue.input)}`;
    case 'invalid_format':
      return issue.pattern === undefined
        ? `is no valid ${issue.format}: ${JSON.stringify(issue.input)}`
        : `must match ${issue.pattern}, got ${JSON.stringify(issue.input)}`;
    default:
      return undefined;
  }
}

function sizeMessage(
  issue: z.core.$ZodRawIssue<z.core.$ZodIssueTooSmall> | z.core.$ZodRawIssue<z.core.$ZodIssueTooBig>,
): string {
  const least = issue.code === 'too_small';
  const limit = least ? issue.minimum : issue.maximum;
  if (typeof issue.input === 'number' || typeof issue.input === 'bigint') {
    const bound =
      issue.inclusive === false ? (least ? 'greater than' : 'less than') : least ? 'at least' : 'at most';
    return `must be ${bound} ${limit}, got ${issue.input}`;
  }
  if (least && issue.input !== undefined && Number(limit) === 1) return 'must not be empty';
  const unit = typeof issue.input === 'string' ? 'characters' : 'entries';
  return `must have at ${least ? 'least' : 'most'} ${limit} ${unit}`;
}

/** A schema's issues as refusals: unknown keys one by one, unions reduced to the form that was meant. */
export function refusalsOf(issues: readonly Issue[], schema: z.core.$ZodType): Refusal[] {
  return flatten(issues, []).flatMap(({ issue, path }): Refusal[] => {
    if (issue.code !== 'unrecognized_keys') return [{ kind: 'value', path, message: issue.message }];
    const known = knownKeys(schema, path);
    return issue.keys.map((key) => ({ kind: 'unknown key', path, key, known }));
  });
}

interface Located {
  readonly issue: Issue;
  readonly path: Path;
}

/** Issues at absolute paths; of a union those of the branch that was most likely meant. */
function flatten(issues: readonly Issue[], base: Path): Located[] {
  return issues.flatMap((issue): Located[] => {
    const path = [...base, ...issue.path.map((step) => (typeof step === 'symbol' ? String(step) : step))];
    if (issue.code === 'invalid_union') return flattenUnion(issue, path);
    if (issue.code === 'invalid_key' || issue.code === 'invalid_element') {
      const key = JSON.stringify(path.at(-1));
      const messages = issue.issues.map((inner) => inner.message).join(', ');
      return [
        {
          issue: { ...issue, message: issue.code === 'invalid_key' ? `key ${key} ${messages}` : messages },
          path,
        },
      ];
    }
    return [{ issue, path }];
  });
}

function flattenUnion(union: z.core.$ZodIssueInvalidUnion, path: Path): Located[] {
  const branches = union.errors.map((errors) => flatten(errors, path));
  const meant = branches
    .filter(
      (located) => !located.some((l) => l.issue.code === 'invalid_type' && l.path.length === path.length),
    )
    .sort((a, b) => a.length - b.length)[0];
  if (meant !== undefined) return meant;
  const types = branches.flat().flatMap(({ issue }) => (issue.code === 'invalid_type' ? [issue] : []));
  const expected = [...new Set(types.map((issue) => `'${TYPE_NAMES[issue.expected] ?? issue.expected}'`))];
  const message =
    expected.length === 0
      ? union.message
      : union.input === undefined
        ? 'is required'
        : `expected type ${expected.join(' or ')}, got unconvertible type '${typeName(union.input)}'`;
  return [{ issue: { ...union, message }, path }];
}

/** Every path at which a schema met a value it did not want, with whether a text would have done. */
export function mismatches(issues: readonly Issue[], base: Path = []): { path: Path; wantsText: boolean }[] {
  return issues.flatMap((issue) => {
    const path = [...base, ...issue.path.map((step) => (typeof step === 'symbol' ? String(step) : step))];
    if (issue.code === 'invalid_union') {
      const inner = issue.errors.flatMap((errors) => mismatches(errors, path));
      return [{ path, wantsText: false }, ...inner];
    }
    if (issue.code === 'invalid_type') return [{ path, wantsText: issue.expected === 'string' }];
    if (issue.code === 'invalid_value')
      return [{ path, wantsText: issue.values.some((value) => typeof value === 'string') }];
    return [];
  });
}

/** zod names an integer schema "number" where the value is no number at all. */
function expectedType({ expected, inst }: z.core.$ZodRawIssue<z.core.$ZodIssueInvalidType>): string {
  const def = inst?._zod.def;
  return def !== undefined && 'format' in def && def.format === 'safeint'
    ? 'int'
    : (TYPE_NAMES[expected] ?? expected);
}

function typeName(value: unknown, expected = ''): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'list';
  if (typeof value === 'object') return 'mapping';
  if (typeof value === 'number' && !Number.isFinite(value)) return String(value);
  if (typeof value === 'bigint') return 'integer beyond 53 bits';
  if (typeof value === 'number' && expected === 'int' && !Number.isInteger(value)) return 'float';
  return typeof value;
}
