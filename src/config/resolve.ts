// SPDX-License-Identifier: Apache-2.0
import { withoutPassword } from '../internal/url-password.ts';
import { ConfigError } from './config-error.ts';
import { expandTree } from './expand.ts';
import type { Providers, Retrieved } from './providers.ts';
import { type MappingEntry, type MappingNode, mergeTrees, type Tree } from './tree.ts';
import { parseYamlTree } from './yaml-tree.ts';

/** Where configuration comes from: `file:`, `env:`, `yaml:`, `http:`, `https:`, or a path. */
export interface ConfigSource {
  readonly location: string;
  /** What messages call the source instead of its location. */
  readonly label?: string;
}

const SCHEME = /^([A-Za-z][A-Za-z0-9+.-]+):/;
const DELIMITER = '::';

/**
 * `a.b=value` of the command line as a source. Dots separate keys; the value is YAML. Throws Error
 * where there is no equal sign.
 */
export function setSource(text: string): ConfigSource {
  const equals = text.indexOf('=');
  if (equals < 1) throw new Error(`missing equal sign in --set ${text} (write --set key.path=value)`);
  const key = text.slice(0, equals);
  return {
    location: `yaml:${key.replaceAll('.', DELIMITER)}: ${text.slice(equals + 1)}`,
    label: `--set ${key}`,
  };
}

/**
 * Reads all sources, lays later ones over earlier ones, and then expands every `${…}`, in upstream's
 * order: what is overridden is never looked up. Throws ConfigError.
 */
export async function resolveSources(
  sources: readonly ConfigSource[],
  providers: Providers,
  warnings: string[],
): Promise<MappingNode> {
  const results = await Promise.allSettled(sources.map((source) => readSource(source, providers)));
  const errors = results.flatMap((r) => (r.status === 'rejected' ? [r.reason as unknown] : []));
  const issues = errors.flatMap((error) => {
    if (error instanceof ConfigError) return error.issues;
    throw error;
  });
  if (issues.length > 0) throw new ConfigError(issues);
  const trees = results.flatMap((r) => (r.status === 'fulfilled' && r.value !== undefined ? [r.value] : []));
  const [first, ...rest] = trees;
  if (first === undefined) throw sourceError(sources[0], 'empty configuration: no source has any content');
  const expanded = await expandTree(rest.reduce(mergeTrees, first), providers, warnings);
  if (expanded.kind !== 'mapping') throw new TypeError('expansion changed the kind of the root');
  return expanded;
}

async function readSource(source: ConfigSource, providers: Providers): Promise<MappingNode | undefined> {
  const { location } = source;
  const scheme = SCHEME.exec(location)?.[1];
  const provider = providers.get(scheme ?? 'file');
  if (provider === undefined) {
    const valid = [...providers.keys()].join(' ');
    throw sourceError(source, `scheme "${scheme ?? ''}" is not supported (valid values: [${valid}])`);
  }
  let retrieved: Retrieved;
  try {
    retrieved = await provider(scheme === undefined ? location : location.slice(scheme.length + 1));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw sourceError(undefined, `cannot retrieve the configuration: ${reason}`);
  }
  const tree = parseYamlTree(retrieved.text, source.label ?? retrieved.file);
  if (tree.kind === 'scalar' && tree.value === null) return undefined;
  if (tree.kind === 'mapping') return unflatten(tree);
  const kind = tree.kind === 'list' ? 'list' : typeof tree.value;
  throw new ConfigError([
    {
      ...tree.place,
      path: '',
      message: `must be a mapping of sections (receivers, exporters, service …), got a ${kind}`,
    },
  ]);
}

/** Turns top-level keys such as `processors::batch::timeout` into nested mappings. */
function unflatten(tree: MappingNode): MappingNode {
  if (![...tree.entries.keys()].some((key) => key.includes(DELIMITER))) return tree;
  let result: MappingNode = { ...tree, entries: new Map() };
  for (const [key, entry] of tree.entries) {
    const { keyPlace } = entry;
    const [top = '', ...inner] = key.split(DELIMITER);
    const nested = inner.reduceRight<Tree>(
      (node, step) => ({ kind: 'mapping', place: keyPlace, entries: new Map([[step, { keyPlace, node }]]) }),
      entry.node,
    );
    const entries = new Map<string, MappingEntry>([[top, { keyPlace, node: nested }]]);
    result = mergeTrees(result, { ...tree, entries });
  }
  return result;
}

function sourceError(source: ConfigSource | undefined, message: string): ConfigError {
  return new ConfigError([
    {
      file: source === undefined ? '' : (source.label ?? withoutPassword(source.location)),
      line: 0,
      column: 0,
      path: '',
      message,
    },
  ]);
}
