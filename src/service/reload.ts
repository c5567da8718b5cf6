// SPDX-License-Identifier: Apache-2.0
import type { Component } from '../component/component.ts';
import type { LoadedConfig } from '../config/loaded-config.ts';
import { allNodes, buildGraph, type Graph, type KeptNodes } from './graph.ts';
import { keep, keptNodes, leansOnExtension, sameTelemetry } from './kept-nodes.ts';
import { startNodes, startOrder } from './lifecycle.ts';
import type { Node } from './node.ts';
import { createTelemetry, type PreparedLogs, type ServiceTelemetry } from './telemetry/telemetry.ts';
import { Transition, type TransitionOptions } from './transition.ts';
import type { ServiceDeps } from './service-deps.ts';

/** What runs, and of which configuration it was made. */
export interface Running {
  readonly config: LoadedConfig;
  readonly telemetry: ServiceTelemetry;
  readonly graph: Graph;
}

/** What a reload needs of the service around it. */
export interface ReloadOptions
  extends Pick<TransitionOptions, 'status' | 'service' | 'clock' | 'signal' | 'impatient' | 'touched'> {
  readonly deps: ServiceDeps;
  /** Told what runs now as soon as it does: the new one, or what was put in place of it. */
  onChange(running: Running): void;
}

/** How a reload went. */
export type ReloadResult =
  | {
      readonly outcome: 'applied';
      readonly kept: number;
      readonly started: number;
      readonly stopped: number;
      /** Delivers what replaced exporters still hold. */
      drain(): Promise<void>;
    }
  /** Nothing changed. */
  | { readonly outcome: 'refused'; readonly error: unknown }
  /** What was stopped for it runs again. */
  | { readonly outcome: 'rolled_back'; readonly error: unknown }
  /** Neither the new nor the old configuration runs. */
  | { readonly outcome: 'lost'; readonly error: Error };

/** Goes from what runs to another configuration; never rejects. */
export async function applyConfig(
  before: Running,
  config: LoadedConfig,
  options: ReloadOptions,
): Promise<ReloadResult> {
  const isSame = sameTelemetry(before.config, config);
  let prepared: Running;
  let logs: PreparedLogs | undefined;
  try {
    if (isSame) logs = before.telemetry.prepareLogs(config.service.telemetry.logs);
    const kept = isSame ? keptNodes(before.graph, before.config, config) : undefined;
    prepared = build(config, before, isSame ? before.telemetry : undefined, kept, options);
  } catch (error) {
    logs?.discard();
    return { outcome: 'refused', error };
  }
  let { telemetry } = before;
  const swapTelemetry = async (next: ServiceTelemetry): Promise<void> => {
    if (next === telemetry) return;
    // Both may want the same port.
    await telemetry.shutdown(options.impatient);
    telemetry = next;
    await telemetry.start();
  };
  const transition = new Transition(before.graph, prepared.graph, {
    ...options,
    logger: () => telemetry.logger,
    overlaps: (node) =>
      isSame &&
      node.configured.factory.kind === 'exporter' &&
      node.configured.factory.overlaps === true &&
      !leansOnExtension(node, before.config),
    mustMakeRoom: !isSame,
    whenRoomIsMade: () => swapTelemetry(prepared.telemetry),
  });
  try {
    await transition.run();
  } catch (error) {
    logs?.discard();
    await transition.undo();
    if (options.signal.aborted) return { outcome: 'rolled_back', error };
    try {
      options.onChange(await restore(before, telemetry, options, swapTelemetry));
      transition.releaseKept();
    } catch (also) {
      const why = also instanceof Error ? also.message : String(also);
      return {
        outcome: 'lost',
        error: new Error(`the configuration before the reload cannot be started again: ${why}`, {
          cause: also,
        }),
      };
    }
    return { outcome: 'rolled_back', error };
  }
  logs?.use();
  options.onChange(prepared);
  const { kept, added, removed } = transition;
  return {
    ...{ outcome: 'applied', kept: kept.size, started: added.size, stopped: removed.size },
    drain: () => transition.drain(),
  };
}

/** Brings back what a failed transition stopped of the old configuration. */
async function restore(
  before: Running,
  telemetry: ServiceTelemetry,
  options: ReloadOptions,
  swapTelemetry: (next: ServiceTelemetry) => Promise<void>,
): Promise<Running> {
  const { status, service, signal, touched } = options;
  const { graph } = before;
  const runs = (node: Node): boolean => touched.has(node);
  if (allNodes(graph).every(runs)) return before;
  const kept = keep(graph, runs);
  const own = telemetry === before.telemetry ? telemetry : undefined;
  const again = build(before.config, before, own, kept, options);
  for (const node of allNodes(graph).filter((node) => !runs(node))) {
    node.forget();
    status.forget(node);
  }
  await swapTelemetry(again.telemetry);
  const running: (readonly [string, Component])[] = kept.extensions.map((node) => [
    node.id.text,
    node.component,
  ]);
  again.graph.connect();
  await startNodes(
    startOrder(again.graph).filter((node) => !runs(node)),
    {
      ...{ status, service, signal, extensions: new Map(running) },
      onTouched: (node) => touched.add(node),
    },
  );
  return again;
}

function build(
  config: LoadedConfig,
  before: Running,
  telemetry: ServiceTelemetry | undefined,
  kept: KeptNodes | undefined,
  { deps }: ReloadOptions,
): Running {
  const own = telemetry ?? createTelemetry(config.service.telemetry, deps.build, deps.writeLog);
  const graph = buildGraph(config, {
    ...{ build: deps.build, telemetry: own, counted: before.graph.pipelines },
    ...(kept !== undefined && { kept }),
  });
  return { config, telemetry: own, graph };
}
