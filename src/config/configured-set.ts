// SPDX-License-Identifier: Apache-2.0
import { type AnyFactory, type LazyFactory, loadFactory } from '../component/factory.ts';
import { type ComponentId, parseComponentId } from '../component/id.ts';
import { didYouMean } from '../internal/suggest.ts';
import type { IssueList } from './config-error.ts';
import { decodeSection } from './decode.ts';
import type { ConfiguredComponent, PlainValue } from './loaded-config.ts';
import { keysNotActing, type Reference, referencesOf, withDefaults } from './schema-walk.ts';
import { type MappingNode, nodeAt, type TreePath } from './tree.ts';

export type SectionName = 'receivers' | 'processors' | 'exporters' | 'connectors' | 'extensions';

/** What reading a configuration reports beside its result. */
export interface Report {
  readonly issues: IssueList;
  warn(path: TreePath, message: string): void;
}

/** An id of the configuration: its key as written, and whether there is such a type. */
export interface KnownId {
  readonly key: string;
  readonly typed: boolean;
}

/** The components of one section. */
export interface ConfiguredSet<Factory> {
  /** Those without fault. */
  readonly components: ReadonlyMap<string, ConfiguredComponent<Factory>>;
  /** Every id that is written there and could be read, faulty components too. */
  readonly keys: ReadonlyMap<string, KnownId>;
  /** Extensions that the components name, by the component's id; paths from the root. */
  readonly references: ReadonlyMap<string, readonly Reference[]>;
  /** The section with all defaults. */
  effective(redact: boolean): PlainValue;
}

/** Reads one section of components: ids, types, and each component's configuration. */
export async function readComponents<Factory extends AnyFactory>(
  tree: MappingNode,
  section: SectionName,
  offered: readonly (Factory | LazyFactory<Factory>)[],
  report: Report,
): Promise<ConfiguredSet<Factory>> {
  const components = new Map<string, ConfiguredComponent<Factory>>();
  const inputs = new Map<string, unknown>();
  const keys = new Map<string, KnownId>();
  const references = new Map<string, readonly Reference[]>();
  for (const key of componentKeys(tree, section, report.issues)) {
    const path = [section, key];
    const id = readId(key, path, report.issues);
    if (id === undefined) continue;
    if (keys.has(id.text)) {
      report.issues.add([section], `duplicate name "${id.text}" after trimming spaces`, path);
      continue;
    }
    const factory = await factoryOf(id, offered, section, path, report);
    keys.set(id.text, { key, typed: factory !== undefined });
    const node = nodeAt(tree, path);
    if (factory === undefined || node === undefined) continue;
    const decoded = decodeSection(factory.schema, node, path, report.issues);
    if (decoded === undefined) continue;
    for (const { path: inner, reason } of keysNotActing(factory.schema, decoded.input))
      report.warn([...path, ...inner], reason);
    references.set(
      id.text,
      referencesOf(factory.schema, decoded.input).map((found) => ({
        ...found,
        path: [...path, ...found.path],
      })),
    );
    components.set(id.text, { id, factory, config: decoded.config });
    inputs.set(id.text, decoded.input);
  }
  return {
    components,
    keys,
    references,
    effective: (redact) =>
      Object.fromEntries(
        [...components].map(([id, { factory }]) => [
          id,
          withDefaults(factory.schema, inputs.get(id), redact),
        ]),
      ),
  };
}

function componentKeys(tree: MappingNode, section: SectionName, issues: IssueList): readonly string[] {
  const node = nodeAt(tree, [section]);
  if (node?.kind === 'mapping') return [...node.entries.keys()];
  if (isMalformed(tree, [section])) {
    const got = node?.kind === 'scalar' ? typeof node.value : 'list';
    issues.add([section], `expected type 'mapping', got unconvertible type '${got}'`);
  }
  return [];
}

/** Whether something else than a mapping, or nothing, is written at a path. */
export function isMalformed(tree: MappingNode, path: TreePath): boolean {
  const node = nodeAt(tree, path);
  return node !== undefined && node.kind !== 'mapping' && !(node.kind === 'scalar' && node.value === null);
}

/** The id, or undefined after adding why it is none. */
export function readId(text: string, path: TreePath, issues: IssueList): ComponentId | undefined {
  try {
    return parseComponentId(text);
  } catch (error) {
    issues.add(path.slice(0, -1), error instanceof Error ? error.message : String(error), path);
    return undefined;
  }
}

async function factoryOf<Factory extends AnyFactory>(
  id: ComponentId,
  offered: readonly (Factory | LazyFactory<Factory>)[],
  section: SectionName,
  path: TreePath,
  report: Report,
): Promise<Factory | undefined> {
  const factory = offered.find((f) => f.type === id.type || f.aliases?.includes(id.type) === true);
  if (factory === undefined) {
    const valid = offered.map((f) => f.type).sort();
    const hint = didYouMean(id.type, valid);
    report.issues.add(
      [section],
      `unknown type: "${id.type}" for id: "${id.text}" (${valid.length === 0 ? 'there is none here' : `valid values: [${valid.join(' ')}]`})${hint}`,
      path,
    );
  } else if (factory.type !== id.type) {
    report.warn(
      path,
      `type "${id.type}" is an older name of "${factory.type}"; please write "${factory.type}"`,
    );
  }
  return factory && loadFactory(factory);
}
