// SPDX-License-Identifier: Apache-2.0
import { type FeatureGates, PROFILES_SUPPORT } from '../component/feature-gates.ts';
import type { ComponentId } from '../component/id.ts';
import { didYouMean } from '../internal/suggest.ts';
import { isMalformed, type KnownId, type Report, readId } from './configured-set.ts';
import { checkConnectorUses, type ConnectorUse } from './connector-uses.ts';
import { type Decoded, decodeSection } from './decode.ts';
import type { PlainValue } from './loaded-config.ts';
import { keysNotActing, withDefaults } from './schema-walk.ts';
import {
  idsSchema,
  type PipelineConfig,
  pipelineSchema,
  type ServiceConfig,
  type TelemetryConfig,
  telemetrySchema,
} from './service-section.ts';
import { type MappingNode, nodeAt, type Tree, type TreePath } from './tree.ts';

/** Ids that are configured, per section. */
export type KnownIds = Readonly<
  Record<'receivers' | 'processors' | 'exporters' | 'connectors' | 'extensions', ReadonlyMap<string, KnownId>>
>;

export interface ReadService {
  readonly service: ServiceConfig;
  /** The section with all defaults. */
  effective(redact: boolean): PlainValue;
}

const KEYS = ['extensions', 'pipelines', 'telemetry'];
const STAGES = ['receivers', 'processors', 'exporters'] as const;
const SINGULAR = {
  receivers: 'receiver',
  processors: 'processor',
  exporters: 'exporter',
  extensions: 'extension',
} as const;

/** Reads `service:`; undefined where any of it is at fault. */
export function readService(
  tree: MappingNode,
  known: KnownIds,
  gates: FeatureGates,
  report: Report,
): ReadService | undefined {
  return new ServiceReader(tree, known, gates, report).read();
}

class ServiceReader {
  readonly #tree: MappingNode;
  readonly #known: KnownIds;
  readonly #gates: FeatureGates;
  readonly #report: Report;
  readonly #connectorUses: ConnectorUse[] = [];

  constructor(tree: MappingNode, known: KnownIds, gates: FeatureGates, report: Report) {
    this.#tree = tree;
    this.#known = known;
    this.#gates = gates;
    this.#report = report;
  }

  read(): ReadService | undefined {
    for (const key of this.#keysOf(['service'])) {
      if (!KEYS.includes(key)) this.#report.issues.addUnknownKey(['service'], key, KEYS);
    }
    const extensions = this.#extensions();
    const pipelines = this.#pipelines();
    checkConnectorUses(this.#connectorUses, this.#report.issues);
    const telemetry = this.#telemetry();
    if (telemetry === undefined) return undefined;
    return {
      service: { extensions, pipelines, telemetry: telemetry.config },
      effective: (redact) => ({
        extensions: extensions.map((id) => id.text),
        pipelines: Object.fromEntries([...pipelines].map(([id, pipeline]) => [id, plainPipeline(pipeline)])),
        telemetry: withDefaults(telemetrySchema, telemetry.input, redact),
      }),
    };
  }

  #telemetry(): Decoded<TelemetryConfig> | undefined {
    const path = ['service', 'telemetry'];
    const decoded = decodeSection(telemetrySchema, this.#nodeAt(path), path, this.#report.issues);
    for (const { path: inner, reason } of decoded ? keysNotActing(telemetrySchema, decoded.input) : []) {
      this.#report.warn([...path, ...inner], reason);
    }
    return decoded;
  }

  #extensions(): ComponentId[] {
    const path = ['service', 'extensions'];
    const texts = decodeSection(idsSchema, this.#nodeAt(path), path, this.#report.issues)?.config ?? [];
    return this.#references('extensions', texts, ['service'], path);
  }

  #pipelines(): Map<string, PipelineConfig> {
    const { issues } = this.#report;
    const path = ['service', 'pipelines'];
    const keys = this.#keysOf(path);
    const pipelines = new Map<string, PipelineConfig>();
    if (keys.length === 0 && !isMalformed(this.#tree, path)) {
      issues.add(path, 'service must have at least one pipeline (write "profiles")');
    }
    for (const key of keys) {
      const pipeline = this.#pipeline(key, [...path, key]);
      if (pipeline === undefined) continue;
      if (pipelines.has(pipeline.id.text))
        issues.add(path, `duplicate name "${pipeline.id.text}" after trimming spaces`, [...path, key]);
      pipelines.set(pipeline.id.text, pipeline);
    }
    return pipelines;
  }

  #pipeline(key: string, path: TreePath): PipelineConfig | undefined {
    const { issues } = this.#report;
    const parent = path.slice(0, -1);
    const id = readId(key, path, issues);
    if (id === undefined) return undefined;
    if (id.type !== 'profiles') {
      issues.add(parent, `pipeline "${id.text}": ${notProfiles(id)}`, path);
      return undefined;
    }
    if (!this.#gates.isEnabled(PROFILES_SUPPORT)) {
      issues.add(
        parent,
        `pipeline "${id.text}": profiling signal support is at alpha level, gated under the "${PROFILES_SUPPORT}" feature gate (start with --feature-gates=${PROFILES_SUPPORT})`,
        path,
      );
    }
    const lists = decodeSection(pipelineSchema, this.#nodeAt(path), path, issues)?.config;
    if (lists === undefined) return undefined;
    for (const stage of ['receivers', 'exporters'] as const) {
      if (lists[stage].length === 0) issues.add(path, `must have at least one ${SINGULAR[stage]}`);
    }
    lists.processors.forEach((text, index) => {
      if (lists.processors.indexOf(text) === index) return;
      issues.add(path, `references processor "${text}" multiple times`, [...path, 'processors', index]);
    });
    const [receivers, processors, exporters] = STAGES.map((stage) =>
      this.#references(stage, lists[stage], path, [...path, stage]),
    );
    return { id, receivers: receivers ?? [], processors: processors ?? [], exporters: exporters ?? [] };
  }

  /** Ids of the texts that name something configured, each once; adds an issue for every other. */
  #references(
    kind: keyof typeof SINGULAR,
    texts: readonly string[],
    path: TreePath,
    listPath: TreePath,
  ): ComponentId[] {
    const ids = new Map<string, ComponentId>();
    texts.forEach((text, index) => {
      const at = [...listPath, index];
      const id = readId(text, at, this.#report.issues);
      if (id === undefined) return;
      ids.set(id.text, id);
      if (this.#known[kind].has(id.text)) return;
      const isEnd = kind === 'receivers' || kind === 'exporters';
      if (isEnd && this.#known.connectors.has(id.text)) {
        this.#connectorUses.push({ connector: id.text, role: kind, pipeline: path, at });
        return;
      }
      const known = [...this.#known[kind], ...(isEnd ? this.#known.connectors : [])];
      const candidates = known.flatMap(([known, { typed }]) => (typed ? [known] : []));
      const hint = didYouMean(id.text, candidates);
      const owner = kind === 'extensions' ? listPath : path;
      this.#report.issues.add(
        owner,
        `references ${SINGULAR[kind]} "${id.text}" which is not configured${hint}`,
        at,
      );
    });
    return [...ids.values()];
  }

  /** The node at a path, an empty section where nothing is written. */
  #nodeAt(path: TreePath): Tree {
    return nodeAt(this.#tree, path) ?? { kind: 'scalar', value: null, place: this.#tree.place };
  }

  #keysOf(path: TreePath): readonly string[] {
    const node = this.#nodeAt(path);
    if (node.kind === 'mapping') return [...node.entries.keys()];
    if (isMalformed(this.#tree, path)) {
      const got = node.kind === 'list' ? 'list' : typeof node.value;
      this.#report.issues.add(path, `expected type 'mapping', got unconvertible type '${got}'`);
    }
    return [];
  }
}

function plainPipeline(pipeline: PipelineConfig): PlainValue {
  return Object.fromEntries(STAGES.map((stage) => [stage, pipeline[stage].map((id) => id.text)]));
}

const OTHER_SIGNALS = ['traces', 'metrics', 'logs'];

/** What to do with a pipeline that is not of profiles. */
function notProfiles({ type, name }: ComponentId): string {
  if (OTHER_SIGNALS.includes(type))
    return `signal "${type}" is not supported: this distribution handles profiles only (remove the pipeline, another Collector can run it)`;
  return `unknown pipeline signal: "${type}" (write "profiles${name === '' ? '' : `/${name}`}")`;
}
