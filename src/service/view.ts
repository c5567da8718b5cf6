// SPDX-License-Identifier: Apache-2.0
import type { BuildInfo } from '../component/component.ts';
import type { FeatureGates } from '../component/feature-gates.ts';
import type { ComponentView, ServiceView } from '../component/service-view.ts';
import type { LoadedConfig } from '../config/loaded-config.ts';
import type { Graph } from './graph.ts';
import type { Node } from './node.ts';
import type { StatusBoard } from './status.ts';

/** What extensions are shown of a service that starts now. */
export function viewOf(
  graph: Graph,
  board: StatusBoard,
  config: LoadedConfig,
  { build, gates }: { readonly build: BuildInfo; readonly gates: FeatureGates },
): ServiceView {
  const startedAtMs = Date.now();
  const nodes: readonly Node[] = [
    ...graph.extensions,
    ...graph.receivers,
    ...graph.levels.flatMap(({ processors, connectors }) => [...processors.flat(), ...connectors]),
    ...graph.exporters,
  ];
  const components = nodes.map((node) => ({ node, component: describe(node) }));
  return {
    build,
    startedAtMs,
    pipelines: graph.pipelines,
    gates: () => gates.list(),
    config: () => config.effective({ redact: true }),
    statuses: () =>
      components.map(({ node, component }) => ({ component, ...(board.of(node) ?? NOTHING(startedAtMs)) })),
  };
}

const NOTHING = (sinceMs: number) => ({ status: 'none', sinceMs }) as const;

function describe({ kind, id, stability, pipeline }: Node): ComponentView {
  return { kind, id: id.text, stability, ...(pipeline !== undefined && { pipeline }) };
}
