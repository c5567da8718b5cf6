// SPDX-License-Identifier: Apache-2.0
import { ConfigError, type ConfigIssue, formatIssue } from './config-error.ts';
import type { Providers, Retrieved } from './providers.ts';
import type { MappingEntry, Place, ScalarNode, Tree } from './tree.ts';
import { parseYamlTree } from './yaml-tree.ts';

const MAX_EXPANSIONS = 1000;
/** References that double a text at each round must not fill the memory before the round limit ends them. */
const MAX_TEXT_LENGTH = 4 * 1024 * 1024;
const URI = /^([A-Za-z][A-Za-z0-9+.-]+):(.*)$/s;

/**
 * Replaces every `${scheme:opaque}` and `${NAME}` in the values of a tree, by the Collector's rules
 * (confmap's expand.go): innermost first, again and again until nothing is left; a value that is one
 * reference takes the YAML type of what it gave; `$$` is a literal `$`. Adds a line to `warnings` for
 * each variable that is not set. Throws ConfigError with the place of every reference that failed.
 */
export async function expandTree(tree: Tree, providers: Providers, warnings: string[]): Promise<Tree> {
  const expander = new Expander(providers, warnings);
  const expanded = await expander.expand(tree, 0);
  if (expander.issues.length > 0) throw new ConfigError(expander.issues);
  return expanded;
}

class Expander {
  readonly #providers: Providers;
  readonly #warnings: string[];
  readonly issues: ConfigIssue[] = [];

  constructor(providers: Providers, warnings: string[]) {
    this.#providers = providers;
    this.#warnings = warnings;
  }

  async expand(node: Tree, depth: number): Promise<Tree> {
    if (node.kind === 'list') {
      const items: Tree[] = [];
      for (const item of node.items) items.push(await this.expand(item, depth));
      return { ...node, items };
    }
    if (node.kind === 'mapping') {
      const entries = new Map<string, MappingEntry>();
      for (const [key, entry] of node.entries) {
        entries.set(key, { ...entry, node: await this.expand(entry.node, depth) });
      }
      return { ...node, entries };
    }
    if (typeof node.value !== 'string') return node;
    try {
      return await this.#expandText(node.value, node, depth);
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      this.issues.push(...error.issues);
      return node;
    }
  }

  async #expandText(input: string, node: ScalarNode, depth: number): Promise<Tree> {
    let text = input;
    for (let round = depth; round < MAX_EXPANSIONS; round++) {
      const reference = findReference(text);
      if (reference === undefined) {
        const value = text.replaceAll('$$', '$');
        return value === node.value ? node : { ...node, value };
      }
      const { start, end } = reference;
      const retrieved = await this.#retrieve(text.slice(start + 2, end - 1), node.place);
      if (end - start < text.length) {
        text = text.slice(0, start) + retrieved.text + text.slice(end);
        if (text.length > MAX_TEXT_LENGTH) break;
        continue;
      }
      const typed = parseRetrieved(retrieved, node.place);
      if (typed.kind === 'scalar' && typeof typed.value === 'string') {
        text = retrieved.text;
        continue;
      }
      const value = await this.expand(typed, round + 1);
      return { ...value, original: await this.#originalText(retrieved.text, node, round + 1) };
    }
    return fail(node.place, `too many recursive expansions of ${JSON.stringify(input)}`);
  }

  /** The expanded text as a key of type string is to see it. */
  async #originalText(text: string, node: ScalarNode, depth: number): Promise<string> {
    if (findReference(text) === undefined) return text.replaceAll('$$', '$');
    const expanded = await this.#expandText(text, { ...node, value: text }, depth);
    return expanded.original ?? (expanded.kind === 'scalar' ? String(expanded.value) : text);
  }

  async #retrieve(inner: string, place: Place): Promise<Retrieved> {
    const { scheme, opaque } = this.#location(inner);
    if (opaque.includes('$'))
      fail(place, `the uri ${JSON.stringify(inner)} contains unsupported characters ('$')`);
    const provider = this.#providers.get(scheme);
    if (provider === undefined) {
      const valid = [...this.#providers.keys()].join(' ');
      fail(
        place,
        `scheme "${scheme}" is not supported for uri ${JSON.stringify(inner)} (valid values: [${valid}])`,
      );
    }
    try {
      const retrieved = await provider(opaque);
      const { warning } = retrieved;
      if (warning !== undefined) this.#warnings.push(formatIssue({ ...place, path: '', message: warning }));
      return retrieved;
    } catch (error) {
      return fail(place, error instanceof Error ? error.message : String(error));
    }
  }

  #location(text: string): { scheme: string; opaque: string } {
    const match = URI.exec(text);
    const [, scheme = '', opaque = ''] = match ?? [];
    // `${NAME:-default}` would read as scheme NAME; no scheme's content starts with "-".
    const isEnvironment = match === null || (!this.#providers.has(scheme) && opaque.startsWith('-'));
    return isEnvironment ? { scheme: 'env', opaque: text } : { scheme, opaque };
  }
}

/** The first reference, innermost, whose `$` is not itself escaped by an odd number of `$` before it. */
function findReference(text: string): { start: number; end: number } | undefined {
  let from = 0;
  for (let close = text.indexOf('}'); close >= 0; close = text.indexOf('}', from)) {
    const open = text.slice(from, close + 1).lastIndexOf('${') + from;
    if (open >= from && text.startsWith('${', open)) {
      let dollars = 0;
      while (text[open - 1 - dollars] === '$') dollars++;
      if (dollars % 2 === 0) return { start: open, end: close + 1 };
    }
    from = close + 1;
  }
  return undefined;
}

/** What is no YAML counts as text, as upstream has it; a file's values keep their own places. */
function parseRetrieved(retrieved: Retrieved, place: Place): Tree {
  try {
    const tree = parseYamlTree(retrieved.text, retrieved.file);
    return retrieved.inline ? movedTo(tree, place) : tree;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return { kind: 'scalar', value: retrieved.text, place };
  }
}

function movedTo(tree: Tree, place: Place): Tree {
  if (tree.kind === 'scalar') return { ...tree, place };
  if (tree.kind === 'list') return { ...tree, place, items: tree.items.map((item) => movedTo(item, place)) };
  const entries = [...tree.entries].map(
    ([key, entry]) => [key, { keyPlace: place, node: movedTo(entry.node, place) }] as const,
  );
  return { ...tree, place, entries: new Map(entries) };
}

function fail(place: Place, message: string): never {
  throw new ConfigError([{ ...place, path: '', message }]);
}
