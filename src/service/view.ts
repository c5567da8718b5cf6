// SPDX-License-Identifier: Apache-2.0
import type { BuildInfo } from '../component/component.ts';
import type { FeatureGates } from '../component/feature-gates.ts';
import type { ComponentView, ServiceView } from '../component/service-view.ts';
import type { LoadedConfig } from '../config/loaded-config.ts';
import { allNodes, type Graph } from './graph.ts';
import type { Node } from './node.ts';
import type { StatusBoard } from './status.ts';

/** What extensions are shown of a service that starts now; `current` is what runs at the moment. */
export function viewOf(
  current: () => { readonly graph: Graph; readonly config: LoadedConfig },
  board: StatusBoard,
  { build, gates }: { readonly build: BuildInfo; readonly gates: FeatureGates },
): ServiceView {
  const startedAtMs = Date.now();
  const unknown = { status: 'none', sinceMs: startedAtMs } as const;
  return {
    build,
    startedAtMs,
    get pipelines() {
      return current().graph.pipelines;
    },
    gates: () => gates.list(),
    config: () => current().config.effective({ redact: true }),
    statuses: () =>
      allNodes(current().graph).map((node) => ({
        component: describe(node),
        ...(board.of(node) ?? unknown),
      })),
  };
}

function describe({ kind, id, configured, pipeline }: Node): ComponentView {
  const { stability } = configured.factory;
  return { kind, id: id.text, stability, ...(pipeline !== undefined && { pipeline }) };
}
