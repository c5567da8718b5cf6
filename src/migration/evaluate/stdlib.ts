// SPDX-License-Identifier: Apache-2.0
import { parse } from 'yaml';
import type { Call } from './call.ts';
import { formatText } from './format.ts';
import { combineMaps } from './maps.ts';
import { configText, fixedText, fixedValue, joinTexts, onlyLatePart, type Text } from './text.ts';
import { array, fromPlain, kindOf, NULL, string, text, type Value } from './value.ts';

type Implementation = (call: Call) => Value;

const MAX_YAML_ALIASES = 100;
const MAX_REPLACED = 4 * 1024 * 1024;

const FUNCTIONS: Readonly<Record<string, Implementation>> = {
  'sys.env': (call) => text([{ late: 'env', name: fixed(call, 0) }]),
  'convert.nonsensitive': (call) => text(textOf(call, 0)),
  coalesce,
  regex_quote: ({ args, ...call }) => regexQuote(textOf({ ...call, args }, 0)),
  'array.concat': ({ args, ...call }) => array(args.flatMap((arg) => elements(arg, call.name))),
  'array.combine_maps': combineMaps,
  'map.inner_join': combineMaps,
  'encoding.from_json': (call) => decoded(call, (content) => JSON.parse(content) as unknown),
  'encoding.from_yaml': (call) =>
    decoded(
      call,
      (content) => parse(content, { maxAliasCount: MAX_YAML_ALIASES, logLevel: 'error' }) as unknown,
    ),
  'encoding.from_base64': (call) => string(Buffer.from(base64(fixed(call, 0)), 'base64').toString()),
  'encoding.from_URLbase64': (call) => string(Buffer.from(fixed(call, 0), 'base64url').toString()),
  'encoding.to_base64': (call) => string(Buffer.from(fixed(call, 0)).toString('base64')),
  'encoding.to_URLbase64': (call) =>
    string(Buffer.from(fixed(call, 0)).toString('base64').replaceAll('+', '-').replaceAll('/', '_')),
  'file.path_join': (call) => string(joinPath(call.args.map((_, i) => fixed(call, i)))),
  'string.format': (call) => text(formatText(fixed(call, 0), call.args.slice(1))),
  'string.join': (call) => text(join(elementTexts(call), textOf(call, 1))),
  'string.replace': (call) => string(replace(fixed(call, 0), fixed(call, 1), fixed(call, 2))),
  'string.split': (call) => array(fixed(call, 0).split(fixed(call, 1)).map(string)),
  'string.to_lower': (call) => string(fixed(call, 0).toLowerCase()),
  'string.to_upper': (call) => string(fixed(call, 0).toUpperCase()),
  'string.trim': (call) => string(trim(fixed(call, 0), fixed(call, 1))),
  'string.trim_prefix': (call) => string(withoutPrefix(fixed(call, 0), fixed(call, 1))),
  'string.trim_suffix': (call) => string(withoutSuffix(fixed(call, 0), fixed(call, 1))),
  'string.trim_space': trimSpace,
};

/** Names before namespaces came; `regex_quote` is in no release but in phlare.ebpf's documentation. */
const OLD_NAMES: Readonly<Record<string, string>> = {
  env: 'sys.env',
  nonsensitive: 'convert.nonsensitive',
  concat: 'array.concat',
  json_decode: 'encoding.from_json',
  yaml_decode: 'encoding.from_yaml',
  base64_decode: 'encoding.from_base64',
  path_join: 'file.path_join',
  ...Object.fromEntries(
    [
      ...['format', 'join', 'replace', 'split', 'to_lower', 'to_upper'],
      ...['trim', 'trim_prefix', 'trim_suffix', 'trim_space'],
    ].map((name) => [name, `string.${name}`]),
  ),
};

/** Every name that a function of the standard library has or had. */
export const FUNCTION_NAMES: readonly string[] = [
  ...Object.keys(FUNCTIONS),
  ...Object.keys(OLD_NAMES),
  'strings.trim_space',
];

/** Calls a function. Throws Error with what is wrong with the arguments. */
export function callFunction(call: Call): Value {
  const name = OLD_NAMES[call.name] ?? call.name.replace(/^strings\./, 'string.');
  const implementation = FUNCTIONS[name];
  if (implementation === undefined) throw new Error('is no function');
  return implementation(call);
}

function textOf({ args, name }: Pick<Call, 'args' | 'name'>, index: number): Text {
  const arg = args[index];
  if (arg === undefined) throw new Error(`${name} needs ${index + 1} arguments, got ${args.length}`);
  if (arg.kind !== 'string') throw new Error(`${name}: expected string, got ${kindOf(arg)}`);
  return arg.text;
}

/** An argument that has to be known now. */
function fixed(call: Call, index: number): string {
  const value = fixedValue(textOf(call, index));
  if (value !== undefined) return value;
  throw new Error(
    `${call.name} needs a value that is known only where the collector runs; store the result of ${call.name} itself there`,
  );
}

function elements(arg: Value, name: string): readonly Value[] {
  if (arg.kind === 'array') return arg.items;
  // What a component exports, and what a file holds, are lists when they are there.
  if (arg.kind === 'export' || arg.kind === 'decoded') return [arg];
  throw new Error(`${name}: expected array, got ${kindOf(arg)}`);
}

function elementTexts(call: Call): readonly Text[] {
  const [list] = call.args;
  if (list?.kind !== 'array') throw new Error(`${call.name}: expected array`);
  return list.items.map((_, i) => textOf({ name: call.name, args: list.items }, i));
}

const join = (texts: readonly Text[], separator: Text): Text =>
  joinTexts(texts.flatMap((t, i) => (i === 0 ? [t] : [separator, t])));

function decoded(call: Call, decode: (content: string) => unknown): Value {
  const content = textOf(call, 0);
  const value = fixedValue(content);
  if (value !== undefined) return fromPlain(decode(value));
  // A reference that is a whole value takes the type of what it gives, and JSON is YAML.
  if (onlyLatePart(content) !== undefined) return { kind: 'decoded', text: content };
  throw new Error(`${call.name} of a text of several parts`);
}

function coalesce({ args, place, findings }: Call): Value {
  for (const [index, arg] of args.entries()) {
    const late = arg.kind === 'string' ? onlyLatePart(arg.text) : undefined;
    if (late?.late === 'env') {
      const rest = coalesce({ name: 'coalesce', place, findings, args: args.slice(index + 1) });
      if (late.fallback !== undefined) return arg;
      const fallback = fallbackOf(rest);
      if (fallback === undefined) {
        if (isZero(rest)) return arg;
        findings.lost(
          place,
          'coalesce',
          `what stands in for ${late.name} is ${kindOf(rest)}, which a reference cannot hold`,
        );
        return arg;
      }
      findings.note(
        place,
        'coalesce',
        `"${configText(fallback) ?? ''}" stands in where ${late.name} is unset; where it is set to nothing, nothing it is`,
      );
      return text([{ ...late, fallback }]);
    }
    if (!isZero(arg)) return arg;
  }
  return args.at(-1) ?? NULL;
}

/** What may stand behind `:-`: a file there would have to exist even where the variable is set. */
function fallbackOf(value: Value): Text | undefined {
  if (value.kind === 'number') return [`${value.value}`];
  if (value.kind !== 'string') return undefined;
  return value.text.every((part) => typeof part === 'string' || part.late === 'env') ? value.text : undefined;
}

function isZero(value: Value): boolean {
  if (value.kind === 'null') return true;
  if (value.kind === 'string') return value.text.length === 0;
  if (value.kind === 'number') return value.value === 0;
  if (value.kind === 'bool') return !value.value;
  if (value.kind === 'array') return value.items.length === 0;
  return value.kind === 'object' && value.fields.size === 0;
}

function regexQuote(content: Text): Value {
  const value = fixedValue(content);
  if (value !== undefined) return string(value.replaceAll(/[\\.+*?()|[\]{}^$]/g, '\\$&'));
  // RE2 takes what stands between as it is.
  return text(joinTexts([fixedText('\\Q'), content, fixedText('\\E')]));
}

/** Trims late texts too: a file's or variable's value is read without the newline at its end. */
function trimSpace(call: Call): Value {
  const content = textOf(call, 0);
  const value = fixedValue(content);
  if (value !== undefined) return string(value.trim());
  if (onlyLatePart(content) === undefined) fixed(call, 0);
  call.findings.note(call.place, call.name, 'the value is taken as it is; store it without blanks around it');
  return text(content);
}

function replace(value: string, search: string, replacement: string): string {
  const pieces = value.split(search);
  if (pieces.length * replacement.length > MAX_REPLACED) throw new Error('the result is too long');
  return value.replaceAll(search, () => replacement);
}

function trim(value: string, set: string): string {
  const chars = Array.from(value);
  const isIn = (char: string | undefined): boolean => char !== undefined && set.includes(char);
  let [from, to] = [0, chars.length];
  while (from < to && isIn(chars[from])) from++;
  while (to > from && isIn(chars[to - 1])) to--;
  return chars.slice(from, to).join('');
}

const withoutPrefix = (value: string, prefix: string): string =>
  value.startsWith(prefix) ? value.slice(prefix.length) : value;

const withoutSuffix = (value: string, suffix: string): string =>
  suffix !== '' && value.endsWith(suffix) ? value.slice(0, -suffix.length) : value;

function base64(value: string): string {
  if (!/^[A-Za-z0-9+/\r\n]*={0,2}\s*$/.test(value)) throw new Error('invalid Base64');
  return value;
}

function joinPath(parts: readonly string[]): string {
  const steps: string[] = [];
  const isAbsolute = parts.find((part) => part !== '')?.startsWith('/') === true;
  for (const step of parts.join('/').split('/')) {
    if (step === '' || step === '.') continue;
    if (step === '..' && steps.length > 0 && steps.at(-1) !== '..') steps.pop();
    else if (step !== '..' || !isAbsolute) steps.push(step);
  }
  return (isAbsolute ? '/' : '') + steps.join('/');
}
