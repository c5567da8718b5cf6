// SPDX-License-Identifier: Apache-2.0

/** A part of a text that is known only where the collector runs. */
export type LatePart =
  | VariablePart
  | { readonly late: 'file'; readonly path: Text }
  | { readonly late: 'url'; readonly url: Text };

/** A variable of the environment; `fallback`, of fixed parts and variables, stands in where it is unset. */
export interface VariablePart {
  readonly late: 'env';
  readonly name: string;
  readonly fallback?: Text;
}

/** A text of fixed and late parts; no two fixed ones stand beside each other. */
export type Text = readonly (string | LatePart)[];

export const fixedText = (value: string): Text => (value === '' ? [] : [value]);

export function joinTexts(texts: readonly Text[]): Text {
  const parts: (string | LatePart)[] = [];
  for (const part of texts.flat()) {
    const last = parts.at(-1);
    if (typeof part === 'string' && typeof last === 'string') parts[parts.length - 1] = last + part;
    else if (part !== '') parts.push(part);
  }
  return parts;
}

/** The text if all of it is fixed. */
export function fixedValue(text: Text): string | undefined {
  if (text.length === 0) return '';
  const [only] = text;
  return text.length === 1 && typeof only === 'string' ? only : undefined;
}

/** The one late part that a text consists of. */
export function onlyLatePart(text: Text): LatePart | undefined {
  const [only] = text;
  return text.length === 1 && typeof only === 'object' ? only : undefined;
}

/**
 * The text as a value of our configuration, where `$` begins a reference and `$$` is a dollar. Undefined
 * where a reference cannot hold what it would have to.
 */
export function configText(text: Text): string | undefined {
  const parts = text.map((part) =>
    typeof part === 'string' ? part.replaceAll('$', '$$$$') : reference(part),
  );
  return parts.includes(undefined) ? undefined : parts.join('');
}

/** A reference ends at its first "}" and has no "$" but those of references inside it. */
function reference(part: LatePart): string | undefined {
  const inner = part.late === 'env' ? (part.fallback ?? []) : part.late === 'file' ? part.path : part.url;
  if (inner.some((p) => typeof p === 'string' && /[${}]/.test(p))) return undefined;
  const location = configText(inner);
  if (part.late === 'env' && location !== undefined)
    return `\${env:${part.name}${part.fallback === undefined ? '' : `:-${location}`}}`;
  if (location === undefined || location === '') return undefined;
  return part.late === 'file' ? `\${file:${location}}` : `\${${location}}`;
}

/** The environment variables that a text asks for. */
export function variablesOf(text: Text): readonly string[] {
  return text.flatMap((part) => {
    if (typeof part === 'string') return [];
    if (part.late === 'env') return [part.name, ...variablesOf(part.fallback ?? [])];
    return variablesOf(part.late === 'file' ? part.path : part.url);
  });
}

/** What a variable, or what stands in for it, gives in an environment. */
export function variableIn(
  part: VariablePart,
  environment: Readonly<Record<string, string | undefined>>,
): string {
  const inner = (part.fallback ?? []).map((p) => {
    if (typeof p === 'string') return p;
    return p.late === 'env' ? variableIn(p, environment) : '';
  });
  return environment[part.name] ?? inner.join('');
}
