// SPDX-License-Identifier: Apache-2.0
import type {
  BuildInfo,
  Component,
  Connector,
  Exporter,
  Extension,
  Kind,
  Processor,
  Receiver,
  Settings,
} from '../component/component.ts';
import type { AnyFactory } from '../component/factory.ts';
import type { ComponentId } from '../component/id.ts';
import type { PipelineView } from '../component/service-view.ts';
import type { Labels } from '../component/telemetry.ts';
import type { ConfiguredComponent, LoadedConfig } from '../config/loaded-config.ts';
import type { PipelineConfig } from '../config/service-section.ts';
import type { ProfilesConsumer } from '../consumer/consumer.ts';
import { fanOut } from '../consumer/fan-out.ts';
import { countItems, countReceived } from './counting-consumer.ts';
import { type BuiltPipeline, type Level, levelsOf } from './levels.ts';
import type { Node } from './node.ts';
import { notePlace, noteStability } from './notes.ts';
import { TrafficCount } from './traffic.ts';
import type { ServiceTelemetry } from './telemetry/telemetry.ts';

const SIGNAL = 'profiles';

/** Every component that a configuration uses, built and connected, none started. */
export interface Graph {
  readonly extensions: readonly Node<Extension>[];
  /** One a receiver id, whatever number of pipelines it feeds. */
  readonly receivers: readonly Node<Receiver>[];
  /** Pipelines in the order in which profiles pass them: first those that receivers alone feed. */
  readonly levels: readonly Level[];
  /** As configured, with what passes them. */
  readonly pipelines: readonly PipelineView[];
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
  for (const id of used(pipelines, 'exporters', config)) {
    const configured = find(config.exporters, id);
    const settings = settingsFor('exporter', id, build, telemetry, { exporter: id.text });
    noteStability(configured, settings.logger);
    const component = create('exporter', id, '', () =>
      configured.factory.create(settings, configured.config),
    );
    exporters.set(id.text, node('exporter', configured, settings, component));
  }
  const { pipelines: built, connectors } = buildPipelines(config, exporters, build, telemetry);
  const receivers = used(pipelines, 'receivers', config).map((id) => {
    const configured = find(config.receivers, id);
    const labels = { receiver: id.text };
    const settings = settingsFor('receiver', id, build, telemetry, labels);
    noteStability(configured, settings.logger);
    const heads = pipelines.filter((p) => names(p.receivers, id)).map((p) => find(built, p.id).head);
    const meter = telemetry.meter({ ...labels, transport: '' });
    const next = countReceived({ ...settings, meter }, fanOut(heads));
    const component = create('receiver', id, '', () =>
      configured.factory.create(settings, configured.config, next),
    );
    return node('receiver', configured, settings, component);
  });
  const extensions = config.service.extensions.map((id) => {
    const configured = find(config.extensions, id);
    const settings = settingsFor('extension', id, build, telemetry, { extension: id.text });
    noteStability(configured, settings.logger);
    const component = create('extension', id, '', () =>
      configured.factory.create(settings, configured.config),
    );
    return node('extension', configured, settings, component);
  });
  return {
    extensions,
    receivers,
    levels: levelsOf(pipelines, built, connectors),
    pipelines: pipelines.map((pipeline) => ({
      id: pipeline.id.text,
      receivers: pipeline.receivers.map(({ text }) => text),
      processors: pipeline.processors.map(({ text }) => text),
      exporters: pipeline.exporters.map(({ text }) => text),
      traffic: find(built, pipeline.id).traffic,
    })),
    exporters: [...exporters.values()],
  };
}

/**
 * Builds pipelines and the connectors between them, each after those that it sends to. One connector an
 * id, whatever number of pipelines it joins.
 */
function buildPipelines(
  config: LoadedConfig,
  exporters: ReadonlyMap<string, Node<Exporter>>,
  build: BuildInfo,
  telemetry: ServiceTelemetry,
): { pipelines: Map<string, BuiltPipeline>; connectors: Map<string, Node<Connector>> } {
  const all = [...config.service.pipelines.values()];
  const pipelines = new Map<string, BuiltPipeline>();
  const connectors = new Map<string, Node<Connector>>();
  const heads = new Map<string, ProfilesConsumer>();
  const buildPipeline = (pipeline: PipelineConfig): BuiltPipeline => {
    const known = pipelines.get(pipeline.id.text);
    if (known !== undefined) return known;
    const targets = pipeline.exporters.map((id) =>
      config.connectors.has(id.text) ? buildConnector(id) : find(exporters, id).component,
    );
    const inner = buildProcessors(config, pipeline, fanOut(targets), build, telemetry);
    const traffic = new TrafficCount();
    const made = { ...inner, head: traffic.before(inner.head), traffic };
    pipelines.set(pipeline.id.text, made);
    return made;
  };
  const buildConnector = (id: ComponentId): ProfilesConsumer => {
    const known = heads.get(id.text);
    if (known !== undefined) return known;
    const configured = find(config.connectors, id);
    const settings = settingsFor('connector', id, build, telemetry, { connector: id.text });
    noteStability(configured, settings.logger);
    const targets = all.filter((p) => names(p.receivers, id)).map((p) => buildPipeline(p).head);
    const meter = telemetry.meter({ connector: id.text, otel_signal: SIGNAL });
    const next = countItems('connector', 'outgoing', meter, fanOut(targets));
    const component = create('connector', id, '', () =>
      configured.factory.create(settings, configured.config, next),
    );
    connectors.set(id.text, node('connector', configured, settings, component));
    const head = countItems('connector', 'incoming', meter, component);
    heads.set(id.text, head);
    return head;
  };
  for (const pipeline of all) buildPipeline(pipeline);
  return { pipelines, connectors };
}

/** Builds from the end, because each processor is given the consumer behind it. */
function buildProcessors(
  config: LoadedConfig,
  pipeline: PipelineConfig,
  last: ProfilesConsumer,
  build: BuildInfo,
  telemetry: ServiceTelemetry,
): Omit<BuiltPipeline, 'traffic'> {
  let head = last;
  const processors: Node<Processor>[] = [];
  for (const [index, id] of [...pipeline.processors.entries()].reverse()) {
    const configured = find(config.processors, id);
    const settings = settingsFor('processor', id, build, telemetry, { processor: id.text }, pipeline);
    noteStability(configured, settings.logger);
    notePlace(configured, index, settings.logger);
    const meter = telemetry.meter({ processor: id.text, otel_signal: SIGNAL });
    const next = countItems('processor', 'outgoing', meter, head);
    const where = `, in pipeline "${pipeline.id.text}"`;
    const component = create('processor', id, where, () =>
      configured.factory.create(settings, configured.config, next),
    );
    processors.unshift(node('processor', configured, settings, component, pipeline.id.text));
    head = countItems('processor', 'incoming', meter, component);
  }
  return { head, processors };
}

function node<C extends Component>(
  kind: Kind,
  { id, factory }: ConfiguredComponent<AnyFactory>,
  settings: Settings,
  component: C,
  pipeline?: string,
): Node<C> {
  const where = pipeline === undefined ? '' : ` in pipeline "${pipeline}"`;
  const label = `"${id.text}" ${kind}${where}`;
  const { stability } = factory;
  return { kind, id, label, stability, settings, component, ...(pipeline !== undefined && { pipeline }) };
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

/** Ids that the pipelines name, each once, in the order of first mention; connectors left out. */
function used(
  pipelines: readonly PipelineConfig[],
  role: 'receivers' | 'exporters',
  { connectors }: LoadedConfig,
): ComponentId[] {
  const byText = new Map(pipelines.flatMap((p) => p[role]).map((id) => [id.text, id]));
  return [...byText.values()].filter((id) => !connectors.has(id.text));
}

function names(ids: readonly ComponentId[], id: ComponentId): boolean {
  return ids.some((other) => other.text === id.text);
}

function find<T>(all: ReadonlyMap<string, T>, id: ComponentId): T {
  const found = all.get(id.text);
  if (found === undefined) throw new Error(`service: references "${id.text}" which is not configured`);
  return found;
}
