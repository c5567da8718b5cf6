// SPDX-License-Identifier: Apache-2.0
import type { Settings } from '../component/component.ts';
import { statusTables } from '../component/status-tables.ts';
import { type Clock, systemClock } from '../internal/clock.ts';
import { deferred } from '../internal/deferred.ts';
import type { LabelSet } from '../relabel/relabel.ts';
import type { DiscoveryConfig, JoinConfig } from './config.ts';
import { type OpenNested, plannedSources } from './kinds.ts';
import { KnownTargets } from './known-targets.ts';
import { observeSources, SOURCE_HEADS, sourceRow } from './metrics.ts';
import { RunningSource } from './running-source.ts';
import { fixedGroups } from './static.ts';
import type { SourceStatus } from './target.ts';
import { Throttle } from './throttle.ts';

/** Between two updates there is at least so much time. */
const DISCOVERY_THROTTLE_MS = 5_000;
/** The same where a source hurries: many processes do not live for 5 s. */
const HURRY_MS = 50;

/**
 * Runs what `discoveryShape` configures. `onTargets` is given all targets of all sources after relabelling,
 * each once, in the order of the configuration: at once when the first are known and when every source has
 * answered, later at most every DISCOVERY_THROTTLE_MS, of sources that hurry sooner, and only where something has changed. It must not throw.
 */
export class DiscoveryManager {
  readonly #onTargets: (targets: readonly LabelSet[]) => void;
  readonly #telling: Throttle;
  readonly #sources: readonly RunningSource[];
  /** In the order of the configuration. */
  readonly #known: readonly KnownTargets[];
  readonly #stopping = new AbortController();
  readonly #ready = deferred();
  readonly #owner: string;
  #done: Promise<unknown> | undefined;
  #hide: (() => void) | undefined;
  #told: string | undefined;

  constructor(
    settings: Settings,
    config: DiscoveryConfig,
    onTargets: (targets: readonly LabelSet[]) => void,
    clock: Clock = systemClock,
    /** What names of sources begin with. */
    place = '',
  ) {
    this.#owner = settings.id.text;
    this.#onTargets = onTargets;
    this.#telling = new Throttle(clock, DISCOVERY_THROTTLE_MS, () => this.#tell());
    const counters = observeSources(settings.meter, () => this.status());
    const groups = [config, ...config.target_groups].map((group, index) => {
      const prefix = index === 0 ? place : `${place}target_groups::${index - 1}::`;
      const fixed = new KnownTargets(group.relabel_configs);
      fixed.update(fixedGroups(group));
      const openNested: OpenNested = (name, join, tell) =>
        new DiscoveryManager(settings, withoutProcesses(join), tell, clock, `${prefix}${name}::join::`);
      const sources = plannedSources(group, openNested).map(
        ({ name, hurries, load }) =>
          new RunningSource({
            name: prefix + name,
            load,
            rules: group.relabel_configs,
            settings,
            clock,
            counters,
            onChange: () => this.#telling.request(hurries ? HURRY_MS : undefined),
          }),
      );
      return { fixed, sources };
    });
    this.#sources = groups.flatMap(({ sources }) => sources);
    this.#known = groups.flatMap(({ fixed, sources }) => [fixed, ...sources.map(({ targets }) => targets)]);
  }

  /** Resolves when every source has answered once, or failed once, and `onTargets` was told; or at the stop. */
  get ready(): Promise<void> {
    return this.#ready.promise;
  }

  /** Begins; resolves when what needs no asking is known, while the sources still run. */
  start(): Promise<void> {
    if (this.#done !== undefined || this.#stopping.signal.aborted) return Promise.resolve();
    const { signal } = this.#stopping;
    if (this.#sources.length > 0)
      this.#hide = statusTables.add({
        owner: this.#owner,
        title: 'sources of targets',
        heads: SOURCE_HEADS,
        rows: () => this.status().map(sourceRow),
      });
    if (this.#known.some(({ kept }) => kept > 0)) this.#telling.request();
    this.#done = Promise.all(this.#sources.map((source) => source.run(signal)));
    void Promise.all(this.#sources.map(({ answered }) => answered)).then(() => {
      if (signal.aborted) return;
      this.#telling.runNow();
      this.#ready.resolve();
    });
    return Promise.resolve();
  }

  /** Ends every source; `onTargets` is not called any more. */
  async stop(): Promise<void> {
    this.#stopping.abort(new Error('discovery is stopped'));
    this.#telling.stop();
    this.#hide?.();
    this.#ready.resolve();
    await this.#done;
  }

  /** One entry a source, in the order of the configuration; targets that are written there have none. */
  status(): readonly SourceStatus[] {
    return this.#sources.map(({ status }) => status);
  }

  #tell(): void {
    const targets = new Map<string, LabelSet>();
    for (const known of this.#known)
      for (const { id, labels } of known) if (!targets.has(id)) targets.set(id, labels);
    const told = [...targets.keys()].join();
    if (told === this.#told) return;
    this.#told = told;
    this.#onTargets([...targets.values()]);
  }
}

function withoutProcesses(join: JoinConfig): DiscoveryConfig {
  const groups = join.target_groups.map((group) => ({ ...group, process_sd_configs: [] }));
  return { ...join, process_sd_configs: [], target_groups: groups };
}
