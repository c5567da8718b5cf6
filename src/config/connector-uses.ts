// SPDX-License-Identifier: Apache-2.0
import { formatPath, type IssueList } from './config-error.ts';
import type { ConfiguredSet } from './configured-set.ts';
import type { TreePath } from './tree.ts';

/** A pipeline that names a connector. */
export interface ConnectorUse {
  readonly connector: string;
  /** The list of the pipeline in which it stands. */
  readonly role: 'receivers' | 'exporters';
  /** Path of the pipeline. */
  readonly pipeline: TreePath;
  /** Path of the entry in the list. */
  readonly at: TreePath;
}

const ENDS = ['receiver', 'exporter'] as const;

/** Refuses connectors whose id a receiver or exporter has too: a pipeline that names it could mean either. */
export function checkConnectorIds(
  sets: Readonly<Record<'receivers' | 'exporters' | 'connectors', ConfiguredSet<unknown>>>,
  issues: IssueList,
): void {
  for (const [id, { key }] of sets.connectors.keys) {
    for (const kind of ENDS) {
      if (!sets[`${kind}s`].keys.has(id)) continue;
      const other = id.includes('/') ? `${id}-connector` : `${id}/connector`;
      issues.add(
        ['connectors', key],
        `ambiguous ID: found both "${id}" ${kind} and "${id}" connector; rename one of them, for example the connector to "${other}"`,
      );
    }
  }
}

/** Refuses connectors that are used on one side alone, and pipelines that feed themselves. */
export function checkConnectorUses(uses: readonly ConnectorUse[], issues: IssueList): void {
  for (const use of uses) {
    const other = use.role === 'exporters' ? 'receivers' : 'exporters';
    if (uses.some(({ connector, role }) => connector === use.connector && role === other)) continue;
    const [is, isNot] = use.role === 'exporters' ? ['exporter', 'receiver'] : ['receiver', 'exporter'];
    const remedy =
      isNot === 'receiver'
        ? `list it under "receivers" of the pipeline that shall take its data`
        : `list it under "exporters" of the pipeline whose data it shall take`;
    issues.add(
      use.pipeline,
      `connector "${use.connector}" is used as ${is} but in no pipeline as ${isNot} (${remedy})`,
      use.at,
    );
  }
  const cycle = findCycle(uses);
  if (cycle === undefined) return;
  const steps = cycle.map((use) => `pipeline "${nameOf(use)}" -> connector "${use.connector}"`);
  const [first] = cycle;
  if (first === undefined) return;
  issues.add(
    first.pipeline,
    `cycle detected: ${steps.join(' -> ')} -> pipeline "${nameOf(first)}"`,
    first.at,
  );
}

/** Exporter uses, each of which feeds the pipeline of the next and the last that of the first. */
function findCycle(uses: readonly ConnectorUse[]): readonly ConnectorUse[] | undefined {
  const outgoing = uses.filter(({ role }) => role === 'exporters');
  const done = new Set<string>();
  const walk = (pipeline: string, way: readonly ConnectorUse[]): readonly ConnectorUse[] | undefined => {
    const entered = way.findIndex((use) => keyOf(use) === pipeline);
    if (entered >= 0) return way.slice(entered);
    if (done.has(pipeline)) return undefined;
    for (const use of outgoing.filter((out) => keyOf(out) === pipeline)) {
      for (const next of uses) {
        if (next.role !== 'receivers' || next.connector !== use.connector) continue;
        const cycle = walk(keyOf(next), [...way, use]);
        if (cycle !== undefined) return cycle;
      }
    }
    done.add(pipeline);
    return undefined;
  };
  for (const use of outgoing) {
    const cycle = walk(keyOf(use), []);
    if (cycle !== undefined) return cycle;
  }
  return undefined;
}

const keyOf = ({ pipeline }: ConnectorUse): string => formatPath(pipeline);
const nameOf = ({ pipeline }: ConnectorUse): string => String(pipeline.at(-1));
