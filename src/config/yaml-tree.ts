// SPDX-License-Identifier: Apache-2.0
import {
  Alias,
  type Document,
  isMap,
  isPair,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
  Scalar,
  type YAMLError,
  type YAMLMap,
} from 'yaml';
import { ConfigError, type ConfigIssue } from './config-error.ts';
import { resolvePlainScalar } from './scalar.ts';
import type { MappingEntry, MappingNode, Place, ScalarNode, Tree } from './tree.ts';

/** Nodes one document may have once its aliases are followed: more is an attack, not a configuration. */
const MAX_NODES = 200_000;
const MAX_DEPTH = 200;

/** Reads YAML (so JSON too) into a tree with places; throws ConfigError with all syntax errors. */
export function parseYamlTree(text: string, file: string): Tree {
  return new YamlReader(text, file).read();
}

class YamlReader {
  readonly #text: string;
  readonly #file: string;
  readonly #lines = new LineCounter();
  readonly #document: Document;
  #nodes = 0;

  constructor(text: string, file: string) {
    this.#text = text;
    this.#file = file;
    // The failsafe schema leaves every scalar a text, so that its type can be told as Go tells it.
    this.#document = parseDocument(text, {
      lineCounter: this.#lines,
      schema: 'failsafe',
      prettyErrors: false,
      logLevel: 'error',
    });
  }

  read(): Tree {
    const { errors, warnings, contents } = this.#document;
    const problems = [...errors, ...warnings];
    if (problems.length > 0) throw new ConfigError(problems.map((problem) => this.#issue(problem)));
    if (contents === null) return this.#scalar(null, this.#placeAt(0));
    return this.#read(contents, 0);
  }

  #read(node: Node, depth: number): Tree {
    const place = this.#placeAt(node.range?.[0] ?? 0);
    if (++this.#nodes > MAX_NODES || depth > MAX_DEPTH)
      this.#fail(place, 'too many or too deeply nested values');
    if (node instanceof Alias) {
      const target = node.resolve(this.#document);
      if (target === undefined) return this.#fail(place, `unknown anchor "${node.source}"`);
      return this.#read(target, depth + 1);
    }
    if (isMap(node)) return this.#mapping(node, place, depth);
    if (isSeq(node))
      return { kind: 'list', place, items: node.items.map((item) => this.#read(item as Node, depth + 1)) };
    if (!isScalar(node)) return this.#fail(place, 'unexpected value');
    const text = typeof node.value === 'string' ? node.value : '';
    return this.#scalar(
      node.type === Scalar.PLAIN && node.tag === undefined ? resolvePlainScalar(text) : text,
      place,
    );
  }

  #mapping(map: YAMLMap, place: Place, depth: number): MappingNode {
    const entries = new Map<string, MappingEntry>();
    const merged = new Map<string, MappingEntry>();
    for (const pair of map.items) {
      if (!isPair(pair) || !isScalar(pair.key)) this.#fail(place, 'keys must be texts');
      const { key } = pair;
      const keyPlace = this.#placeAt(key.range?.[0] ?? 0);
      const node =
        pair.value === null ? this.#scalar(null, keyPlace) : this.#read(pair.value as Node, depth + 1);
      if (key.value === '<<' && key.type === Scalar.PLAIN) this.#collectMerge(node, merged);
      else entries.set(String(key.value), { keyPlace, node });
    }
    for (const [key, entry] of merged) if (!entries.has(key)) entries.set(key, entry);
    return { kind: 'mapping', place, entries };
  }

  /** YAML's merge key: earlier sources win over later ones, the mapping's own keys over all. */
  #collectMerge(source: Tree, into: Map<string, MappingEntry>): void {
    for (const node of source.kind === 'list' ? source.items : [source]) {
      if (node.kind !== 'mapping')
        this.#fail(node.place, 'map merge requires map or sequence of maps as the value');
      else for (const [key, entry] of node.entries) if (!into.has(key)) into.set(key, entry);
    }
  }

  #issue({ code, message, pos }: YAMLError): ConfigIssue {
    // The parser points behind the token before the second key.
    const duplicate =
      code === 'DUPLICATE_KEY' ? /^\s*([^\s:]+)/.exec(this.#text.slice(pos[0], pos[0] + 200)) : null;
    const open =
      code === 'BAD_INDENT' || code === 'MISSING_CHAR' ? openBracket(this.#text, pos[0]) : undefined;
    if (open !== undefined) return { ...this.#placeAt(open), path: '', message: unclosed(this.#text, open) };
    const offset = pos[0] + (duplicate === null ? 0 : duplicate[0].length - (duplicate[1]?.length ?? 0));
    return { ...this.#placeAt(offset), path: '', message: wording(code, message, duplicate?.[1]) };
  }

  #scalar(value: ScalarNode['value'], place: Place): ScalarNode {
    return { kind: 'scalar', value, place };
  }

  #placeAt(offset: number): Place {
    const { line, col } = this.#lines.linePos(offset);
    return { file: this.#file, line: Math.max(1, line), column: Math.max(1, col) };
  }

  #fail(place: Place, message: string): never {
    throw new ConfigError([{ ...place, path: '', message }]);
  }
}

/** Offset of the innermost "{" or "[" that is open at `end`: the parser sees that it is only where something else begins. */
function openBracket(text: string, end: number): number | undefined {
  const open: number[] = [];
  const token = /"(?:[^"\\]|\\[^])*"|'(?:[^']|'')*'|(?<=^|\s)#.*|[{}[\]]/gm;
  for (const { 0: found, index } of text.slice(0, end).matchAll(token)) {
    if (found === '{' || found === '[') open.push(index);
    else if (found === '}' || found === ']') open.pop();
  }
  return open.at(-1);
}

function unclosed(text: string, offset: number): string {
  const bracket = text.charAt(offset);
  return `invalid YAML: this "${bracket}" has no closing "${bracket === '{' ? '}' : ']'}"`;
}

function wording(code: string, message: string, key: string | undefined): string {
  if (code === 'DUPLICATE_KEY')
    return `duplicate key ${key ?? ''}: each name may be given once in its mapping`;
  if (code === 'MULTIPLE_DOCS') return 'contains more than one YAML document (remove "---")';
  return `invalid YAML: ${message.charAt(0).toLowerCase()}${message.slice(1)}`;
}
