// SPDX-License-Identifier: Apache-2.0
import type { Connector, Processor } from '../component/component.ts';
import type { PipelineConfig } from '../config/service-section.ts';
import type { ProfilesConsumer } from '../consumer/consumer.ts';
import type { Node } from './node.ts';
import type { TrafficCount } from './traffic.ts';

/** A pipeline's processors and the consumer in front of them. */
export interface BuiltPipeline {
  readonly head: ProfilesConsumer;
  /** In the order in which profiles pass them. One an id and pipeline. */
  readonly processors: readonly Node<Processor>[];
  readonly traffic: TrafficCount;
}

/** Pipelines that do not feed one another, and the connectors behind the last that feeds them. */
export interface Level {
  /** By pipeline. */
  readonly processors: readonly (readonly Node<Processor>[])[];
  readonly connectors: readonly Node<Connector>[];
}

/**
 * Sorts pipelines by how many connectors lie before them at most. A connector is in the level of the
 * last pipeline that feeds it: what it sends to is in later ones. There must be no circle.
 */
export function levelsOf(
  pipelines: readonly PipelineConfig[],
  built: ReadonlyMap<string, BuiltPipeline>,
  connectors: ReadonlyMap<string, Node<Connector>>,
): Level[] {
  const feeders = (id: string): readonly PipelineConfig[] =>
    pipelines.filter((p) => p.exporters.some((exporter) => exporter.text === id));
  const depths = new Map<string, number>();
  const depthOf = (pipeline: PipelineConfig): number => {
    const known = depths.get(pipeline.id.text);
    if (known !== undefined) return known;
    const before = pipeline.receivers
      .filter((id) => connectors.has(id.text))
      .flatMap((id) => feeders(id.text));
    const depth = Math.max(0, ...before.map((feeder) => depthOf(feeder) + 1));
    depths.set(pipeline.id.text, depth);
    return depth;
  };
  const levels: { processors: (readonly Node<Processor>[])[]; connectors: Node<Connector>[] }[] = [];
  const at = (depth: number) => {
    while (levels.length <= depth) levels.push({ processors: [], connectors: [] });
    const level = levels[depth];
    if (level === undefined) throw new RangeError(`no level ${depth}`);
    return level;
  };
  for (const pipeline of pipelines) {
    at(depthOf(pipeline)).processors.push(built.get(pipeline.id.text)?.processors ?? []);
  }
  for (const [id, node] of connectors) at(Math.max(...feeders(id).map(depthOf))).connectors.push(node);
  return levels;
}

/**
 * Visits processors and connectors in the direction of flow, each after the visits to those before it
 * have ended; pipelines that do not feed one another side by side.
 */
export async function alongFlow(
  levels: readonly Level[],
  visit: (node: Node) => Promise<void>,
): Promise<void> {
  for (const { processors, connectors } of levels) {
    await Promise.all(
      processors.map(async (chain) => {
        for (const node of chain) await visit(node);
      }),
    );
    await Promise.all(connectors.map(visit));
  }
}
