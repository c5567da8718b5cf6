// SPDX-License-Identifier: Apache-2.0
import { attributesOf } from '../../codecs/pyroscope/series.ts';
import type { Host, Receiver, Settings } from '../../component/component.ts';
import type { ProfilesConsumer } from '../../consumer/consumer.ts';
import { DiscoveryManager } from '../../discovery/manager.ts';
import { type Clock, systemClock } from '../../internal/clock.ts';
import { loadAddon } from '../../native/addon.ts';
import { mergeBatches } from '../../pdata/merge.ts';
import type { ProfilesBatch } from '../../pdata/profiles-batch.ts';
import type { LabelSet } from '../../relabel/relabel.ts';
import { HostProfiler, type ProfilerDependencies } from '../host-profiler.ts';
import {
  type Attribution,
  attribute,
  type AttributionOptions,
  type SampledProcess,
  type Verdict,
} from './attribution.ts';
import { hasFixedTargets, inactiveTargetKeys, type TargetsConfig } from './config.ts';
import { engineConfig } from './engine-config.ts';
import { LateBinding } from './late-binding.ts';
import { LeftOut } from './left-out.ts';
import { TargetMetrics } from './metrics.ts';
import type { Demangler, StackStyle } from './stack-rewriter.ts';
import { demangleMode, inactiveOptions, makeTarget, type Naming, type Target } from './target.ts';
import { TargetIndex } from './target-index.ts';

const MIB = 1 << 20;

/** Which agent's component is meant. */
export interface Era {
  readonly naming: Naming;
  /** Whose name the latency metric has. */
  readonly metricPrefix: 'pyroscope' | 'phlare';
  /** What is not a target is called so, where the configuration has no default_target. */
  readonly unmatchedName: string;
}

/** Somewhere targets come from, as DiscoveryManager does it. */
interface Discovery {
  readonly ready: Promise<void>;
  start(): Promise<void>;
  stop(): Promise<void>;
}

/** What the component takes from the world around it; what is left out is the real one. */
export interface TargetProfilerDependencies extends ProfilerDependencies {
  readonly demangler?: Demangler;
  /** In place of what the configuration says, as a source that may find targets at any time. */
  readonly discovery?: (onTargets: (targets: readonly LabelSet[]) => void) => Discovery;
}

/**
 * Samples the host for the targets that discovery tells of: one batch an interval, with one resource a target and kind of
 * profile, whose attributes are the target's labels. See src/receivers/pyroscope-ebpf/README.md.
 */
export class TargetProfiler implements Receiver {
  readonly #settings: Settings;
  readonly #config: TargetsConfig;
  readonly #next: ProfilesConsumer;
  readonly #dependencies: TargetProfilerDependencies;
  readonly #clock: Clock;
  readonly #index: TargetIndex;
  readonly #default: Target | undefined;
  readonly #binding: LateBinding;
  readonly #leftOut: LeftOut;
  readonly #metrics: TargetMetrics;
  readonly #options: AttributionOptions;
  readonly #discovery: Discovery;
  readonly #fixed: boolean;
  readonly #warned = new Set<string>();
  #host: Host | undefined;
  #profiler: HostProfiler | undefined;
  #starting: Promise<void> | undefined;
  #isStarted = false;
  #isStopping = false;
  #targets = 0;

  constructor(
    settings: Settings,
    config: TargetsConfig,
    next: ProfilesConsumer,
    era: Era,
    dependencies: TargetProfilerDependencies = {},
  ) {
    this.#settings = settings;
    this.#config = config;
    this.#next = next;
    this.#dependencies = dependencies;
    this.#clock = dependencies.clock ?? systemClock;
    this.#fixed = dependencies.discovery === undefined && hasFixedTargets(config);
    this.#index = new TargetIndex(era.naming, config.job_name);
    const unmatched = config.default_target ?? new Map([['service_name', era.unmatchedName]]);
    this.#default = config.targets_only
      ? undefined
      : makeTarget(unmatched, undefined, era.naming, config.job_name);
    // Whom no source can tell of later need not wait.
    const timeoutMs = this.#fixed ? 0 : config.late_binding_timeout;
    this.#binding = new LateBinding(timeoutMs, config.late_binding_max_mib * MIB);
    this.#leftOut = new LeftOut((pids, leaveOut) => this.#profiler?.leaveOut(pids, leaveOut));
    this.#metrics = new TargetMetrics(settings.meter, era.metricPrefix, {
      targets: () => this.#targets,
      waitingBytes: () => this.#binding.bytes,
    });
    this.#options = {
      comm: config.comm,
      pidLabel: config.pid_label,
      styleOf: (target) => styleOf(config, target),
      attributesOf: ({ labels }, name) =>
        attributesOf(new Map([...labels, ['__name__', name]]), { privateLabels: config.private_labels }),
      demangler: dependencies.demangler ?? ((names, mode) => loadAddon().demangle(names, mode)),
    };
    const onTargets = (targets: readonly LabelSet[]): void => this.#setTargets(targets);
    this.#discovery =
      dependencies.discovery?.(onTargets) ?? new DiscoveryManager(settings, config, onTargets, this.#clock);
  }

  async start(host: Host, _signal: AbortSignal): Promise<void> {
    this.#host = host;
    const { logger } = this.#settings;
    const inactive = inactiveTargetKeys(this.#config);
    if (Object.keys(inactive).length > 0)
      logger.warn('keys are set that have no effect of their own', { keys: inactive });
    await this.#discovery.start();
    // Then the kernel can be told at once whom to sample.
    if (this.#fixed) await this.#discovery.ready;
    this.#isStarted = true;
    if (this.#targets > 0) return this.#startEngine();
    if (this.#fixed && this.#config.targets_only) logger.warn('there are no targets: nothing is profiled');
    else if (this.#config.lazy_mode) logger.info('profiling begins with the first target');
    else await this.#startEngine();
  }

  #startEngine(): Promise<void> {
    this.#starting ??= this.#openEngine();
    return this.#starting;
  }

  async #openEngine(): Promise<void> {
    const facts = { fixed: this.#fixed, targets: this.#index.targets(), keys: this.#index.keys() };
    const config = { ...engineConfig(this.#config, facts), leavesOut: this.#default === undefined };
    const profiler = new HostProfiler(
      this.#settings,
      config,
      (batch, signal) => this.#report(batch, signal),
      this.#dependencies,
    );
    try {
      await profiler.start();
    } catch (error) {
      this.#metrics.failing.add(1);
      throw error;
    }
    this.#profiler = profiler;
  }

  #setTargets(targets: readonly LabelSet[]): void {
    this.#targets = targets.length;
    this.#index.update(targets);
    this.#leftOut.reconsider(({ pid, containerId }) => this.#index.find(pid, containerId) !== undefined);
    this.#warnOfOptions(targets);
    if (!this.#isStarted || this.#isStopping || targets.length === 0 || this.#starting !== undefined) return;
    this.#startEngine().catch((error: unknown) => {
      this.#host?.reportStatus({
        status: 'fatal_error',
        error: error instanceof Error ? error : new Error(String(error)),
      });
    });
  }

  #warnOfOptions(targets: readonly LabelSet[]): void {
    for (const labels of targets) {
      const found = Object.entries(inactiveOptions(labels)).filter(([name]) => !this.#warned.has(name));
      for (const [name, why] of found) {
        this.#warned.add(name);
        this.#settings.logger.warn('a target has an option that has no effect', { option: name, why });
      }
    }
  }

  async #report(batch: ProfilesBatch | undefined, signal: AbortSignal): Promise<void> {
    this.#metrics.sessions.add(1);
    const now = this.#clock.now();
    const last = this.#isStopping;
    const parts = this.#binding.take().map((held) => this.#part(held, now, { last, outcome: 'late' }));
    if (batch !== undefined) parts.push(this.#part(batch, now, { last, outcome: 'target' }));
    for (const { unknown } of parts) {
      if (unknown === undefined) continue;
      for (const gone of this.#binding.hold(unknown)) {
        parts.push(this.#part(gone, now, { last: true, outcome: 'late', lost: 'no_room' }));
      }
    }
    this.#index.endReport();
    this.#leftOut.apply();
    const batches = parts.flatMap((part) => part.batch ?? []);
    if (batches.length > 0) await this.#deliver(mergeBatches(batches), signal);
  }

  /** `last`: nobody waits any longer. */
  #part(
    batch: ProfilesBatch,
    nowMs: number,
    { last, outcome, lost = 'no_target' }: { last: boolean; outcome: string; lost?: string },
  ): Attribution {
    const part = attribute(batch, (process) => this.#verdict(process, nowMs, last), this.#options);
    if (part.events > 0) this.#metrics.events.add(part.events, { outcome });
    if (part.leftOut > 0) this.#metrics.events.add(part.leftOut, { outcome: lost });
    return part;
  }

  #verdict(process: SampledProcess, nowMs: number, last: boolean): Verdict {
    const target = this.#index.find(process.pid, process.containerId);
    const mayWait = target === undefined && this.#binding.mayWait(process, nowMs);
    if (target !== undefined || mayWait) this.#leftOut.want(process);
    if (target !== undefined) return target;
    if (mayWait && !last) return 'unknown yet';
    if (this.#default !== undefined) return this.#default;
    this.#leftOut.add(process);
    return 'no target';
  }

  async #deliver(batch: ProfilesBatch, signal: AbortSignal): Promise<void> {
    const start = this.#clock.elapsed();
    try {
      await this.#next.consumeProfiles(batch, signal);
    } catch (error) {
      this.#metrics.failing.add(1);
      this.#metrics.dropped.add(batch.profileCount);
      throw error;
    }
    this.#metrics.delivered(batch, this.#clock.elapsed() - start);
  }

  async shutdown(deadline: AbortSignal): Promise<void> {
    this.#isStopping = true;
    await this.#discovery.stop();
    // A failure was told to whoever started it.
    await this.#starting?.catch(() => undefined);
    await this.#profiler?.shutdown(deadline);
  }
}

function styleOf(config: TargetsConfig, { options }: Target): StackStyle {
  const { demangle } = options;
  return {
    kernelFrames: config.kernel_frames && (options.collectKernel ?? config.collect_kernel_profile),
    pythonFrames: options.pythonEnabled ?? config.python_enabled,
    fullPythonFiles: options.pythonFullFilePath ?? true,
    stubs: config.reporter_unsymbolized_stubs === true,
    demangle: demangle === demangleMode(config.demangle) ? undefined : demangle,
  };
}
