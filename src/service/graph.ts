// SPDX-License-Identifier: Apache-2.0
import type {
  BuildInfo,
  Component,
  Exporter,
  Extension,
  Kind,
  Processor,
  Receiver,
  Settings,
} from '../component/component.ts';
import type { ComponentId } from '../component/id.ts';
import type { Labels } from '../component/telemetry.ts';
import type { LoadedConfig } from '../config/loaded-config.ts';
import type { PipelineConfig } from '../config/service-section.ts';
import type { ProfilesConsumer } from '../consumer/consumer.ts';
import { fanOut } from '../consumer/fan-out.ts';
import { countItems, countReceived } from './counting-consumer.ts';
import type { Node } from './node.ts';
import { notePlace, noteStability } from './notes.ts';
import type { ServiceTelemetry } from './telemetry/telemetry.ts';

const SIGNAL = 'profiles';

/** Every component that a configuration uses, built and connected, none started. */
export interface Graph {
  readonly extensions: readonly Node<Extension>[];
  /** One a receiver id, whatever number of pipelines it feeds. */
  readonly receivers: readonly Node<Receiver>[];
  /** By pipeline, in the order in which profiles pass them. One an id and pipeline. */
  readonly processors: readonly (readonly Node<Processor>[])[];
  /** One an exporter id, shared by the pipelines that name it. */
  readonly exporters: readonly Node<Exporter>[];
}

/**
 * Builds what the service section names and leaves the rest alone. Throws Error that names the component
 * and pipeline where a factory refuses.
 */
export function buildGraph(config: LoadedConfig, build: BuildInfo, telemetry: ServiceTelemetry): Graph {
  const pipelines = [...config.service.pipelines.values()];
  const exporters = new Map<string, Node<Exporter>>();
  for (const id of used(pipelines, 'exporters')) {
    const configured = find(config.exporters, id);
    const settings = settingsFor('exporter', id, build, telemetry, { exporter: id.text });
    noteStability(configured, settings.logger);
    const component = create('exporter', id, '', () =>
      configured.factory.create(settings, configured.config),
    );
    exporters.set(id.text, node('exporter', id, settings, component));
  }
  const built = pipelines.map((pipeline) => {
    const last = fanOut(pipeline.exporters.map((id) => find(exporters, id).component));
    return { pipeline, ...buildProcessors(config, pipeline, last, build, telemetry) };
  });
  const receivers = used(pipelines, 'receivers').map((id) => {
    const configured = find(config.receivers, id);
    const labels = { receiver: id.text };
    const settings = settingsFor('receiver', id, build, telemetry, labels);
    noteStability(configured, settings.logger);
    const heads = built.filter((b) => names(b.pipeline.receivers, id)).map((b) => b.head);
    const meter = telemetry.meter({ ...labels, transport: '' });
    const next = countReceived({ ...settings, meter }, fanOut(heads));
    const component = create('receiver', id, '', () =>
      configured.factory.create(settings, configured.config, next),
    );
    return node('receiver', id, settings, component);
  });
  const extensions = config.service.extensions.map((id) => {
    const configured = find(config.extensions, id);
    const settings = settingsFor('extension', id, build, telemetry, { extension: id.text });
    noteStability(configured, settings.logger);
    const component = create('extension', id, '', () =>
      configured.factory.create(settings, configured.config),
    );
    return node('extension', id, settings, component);
  });
  return {
    extensions,
    receivers,
    processors: built.map((b) => b.processors),
    exporters: [...exporters.values()],
  };
}

/** Builds from the end, because each processor is given the consumer behind it. */
function buildProcessors(
  config: LoadedConfig,
  pipeline: PipelineConfig,
  last: ProfilesConsumer,
  build: BuildInfo,
  telemetry: ServiceTelemetry,
): { head: ProfilesConsumer; processors: Node<Processor>[] } {
  let head = last;
  const processors: Node<Processor>[] = [];
  for (const [index, id] of [...pipeline.processors.entries()].reverse()) {
    const configured = find(config.processors, id);
    const settings = settingsFor('processor', id, build, telemetry, { processor: id.text }, pipeline);
    noteStability(configured, settings.logger);
    notePlace(configured, index, settings.logger);
    const meter = telemetry.meter({ processor: id.text, otel_signal: SIGNAL });
    const next = countItems('outgoing', meter, head);
    const where = `, in pipeline "${pipeline.id.text}"`;
    const component = create('processor', id, where, () =>
      configured.factory.create(settings, configured.config, next),
    );
    processors.unshift(node('processor', id, settings, component, ` in pipeline "${pipeline.id.text}"`));
    head = countItems('incoming', meter, component);
  }
  return { head, processors };
}

function node<C extends Component>(
  kind: Kind,
  id: ComponentId,
  settings: Settings,
  component: C,
  where = '',
): Node<C> {
  return { kind, id, label: `"${id.text}" ${kind}${where}`, settings, component };
}

function create<C>(kind: Kind, id: ComponentId, where: string, make: () => C): C {
  try {
    return make();
  } catch (cause) {
    const scope = kind === 'extension' ? 'extensions' : 'pipelines';
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`failed to build ${scope}: failed to create "${id.text}" ${kind}${where}: ${why}`, {
      cause,
    });
  }
}

function settingsFor(
  kind: Kind,
  id: ComponentId,
  build: BuildInfo,
  telemetry: ServiceTelemetry,
  labels: Labels,
  pipeline?: PipelineConfig,
): Settings {
  const logger = telemetry.logger.with({
    'otelcol.component.id': id.text,
    'otelcol.component.kind': kind,
    ...(kind !== 'extension' && { 'otelcol.signal': SIGNAL }),
    ...(pipeline !== undefined && { 'otelcol.pipeline.id': pipeline.id.text }),
  });
  return { id, build, logger, meter: telemetry.meter(labels), tracer: telemetry.tracer };
}

/** Ids that the pipelines name, each once, in the order of first mention. */
function used(pipelines: readonly PipelineConfig[], role: 'receivers' | 'exporters'): ComponentId[] {
  const byText = new Map(pipelines.flatMap((p) => p[role]).map((id) => [id.text, id]));
  return [...byText.values()];
}

function names(ids: readonly ComponentId[], id: ComponentId): boolean {
  return ids.some((other) => other.text === id.text);
}

function find<T>(all: ReadonlyMap<string, T>, id: ComponentId): T {
  const found = all.get(id.text);
  if (found === undefined) throw new Error(`service: references "${id.text}" which is not configured`);
  return found;
}
