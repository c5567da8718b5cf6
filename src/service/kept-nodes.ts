// SPDX-License-Identifier: Apache-2.0
import { isDeepStrictEqual } from 'node:util';
import type { ComponentId } from '../component/id.ts';
import type { LoadedConfig, PlainValue } from '../config/loaded-config.ts';
import { allNodes, type Graph, type KeptNodes } from './graph.ts';
import type { Node } from './node.ts';

const SECTIONS = {
  receiver: 'receivers',
  processor: 'processors',
  exporter: 'exporters',
  connector: 'connectors',
  extension: 'extensions',
} as const;

/**
 * The components of `graph` that go on under `after`: used in both configurations, in the same pipeline
 * if a processor, with a section that means the same, and without a word of an extension that changed.
 */
export function keptNodes(graph: Graph, before: LoadedConfig, after: LoadedConfig): KeptNodes {
  const isSame = comparison(before, after);
  const candidates = allNodes(graph).filter((node) => isUsed(node, after) && isSame(node));
  const kept = new Set(candidates);
  const isExtension = (node: Node): boolean => node.kind === 'extension';
  const running = new Set(graph.extensions.map((node) => node.id.text));
  for (const id of after.service.extensions) running.add(id.text);
  // An extension may itself lean on another, so this goes round until nothing falls any more.
  for (let size = -1; size !== kept.size; ) {
    size = kept.size;
    const staying = new Set([...kept].filter(isExtension).map((node) => node.id.text));
    const changed = new Set([...running].filter((id) => !staying.has(id)));
    for (const node of kept) {
      if (mentions(sectionOf(plainOf(after), node), changed)) kept.delete(node);
    }
  }
  return keep(graph, (node) => kept.has(node));
}

/** The components of a graph for which `goesOn` holds. */
export function keep(graph: Graph, goesOn: (node: Node) => boolean): KeptNodes {
  return {
    receivers: graph.receivers.filter(goesOn),
    processors: graph.levels.flatMap(({ processors }) => processors.flat()).filter(goesOn),
    connectors: graph.levels.flatMap(({ connectors }) => connectors).filter(goesOn),
    exporters: graph.exporters.filter(goesOn),
    extensions: graph.extensions.filter(goesOn),
  };
}

/** Whether the section of a component names an extension, so that it must not outlive or precede it. */
export function leansOnExtension(node: Node, config: LoadedConfig): boolean {
  const ids = new Set([...config.extensions.keys()]);
  return mentions(sectionOf(plainOf(config), node), ids);
}

/** Whether the telemetry sections mean the same but for `logs`, which can change while everything runs. */
export function sameTelemetry(before: LoadedConfig, after: LoadedConfig): boolean {
  const [old, next] = [before, after].map((config) => ({
    ...Object(at(at(plainOf(config), 'service'), 'telemetry')),
    logs: undefined,
  }));
  return isDeepStrictEqual(old, next);
}

function comparison(before: LoadedConfig, after: LoadedConfig): (node: Node) => boolean {
  const [old, next] = [plainOf(before), plainOf(after)];
  return (node) => isDeepStrictEqual(sectionOf(old, node), sectionOf(next, node));
}

/** With its secrets, for a new password is a change. */
const plainOf = (config: LoadedConfig): PlainValue => config.effective({ redact: false });

function sectionOf(plain: PlainValue, { kind, id }: Node): PlainValue {
  return at(at(plain, SECTIONS[kind]), id.text);
}

function at(value: PlainValue, key: string): PlainValue {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return null;
  return Object.hasOwn(value, key) ? (Reflect.get(value, key) as PlainValue) : null;
}

function isUsed({ kind, id, pipeline }: Node, config: LoadedConfig): boolean {
  const has = (ids: readonly ComponentId[]): boolean => ids.some((other) => other.text === id.text);
  // Pipelines name receivers, exporters and connectors alike.
  if (!config[SECTIONS[kind]].has(id.text)) return false;
  if (kind === 'extension') return has(config.service.extensions);
  const pipelines = [...config.service.pipelines.values()];
  // The check of the configuration sees to it that a connector is used on both sides or on none.
  if (kind === 'receiver' || kind === 'connector') return pipelines.some((p) => has(p.receivers));
  if (kind === 'exporter') return pipelines.some((p) => has(p.exporters));
  return pipelines.some((p) => p.id.text === pipeline && has(p.processors));
}

/** Whether any text inside a section is one of these ids: how `auth`, `storage` and the like refer to extensions. */
function mentions(value: PlainValue, ids: ReadonlySet<string>): boolean {
  if (typeof value === 'string') return ids.has(value.trim());
  if (typeof value !== 'object' || value === null) return false;
  return Object.values(value).some((inner: PlainValue) => mentions(inner, ids));
}
