// SPDX-License-Identifier: Apache-2.0
import type { Settings } from '../component/component.ts';
import type { Logger } from '../component/telemetry.ts';
import { type Clock, sleep } from '../internal/clock.ts';
import { deferred } from '../internal/deferred.ts';
import { Lru } from '../internal/lru.ts';
import type { Rule } from '../relabel/rule.ts';
import type { PlannedSource } from './kinds.ts';
import { KnownTargets } from './known-targets.ts';
import type { SourceCounters } from './metrics.ts';
import type { SourceContext, SourceStatus, TargetGroup } from './target.ts';

/** Before a source that ended is run again; each time in vain doubles it. */
const FIRST_RESTART_MS = 1_000;
const LAST_RESTART_MS = 60_000;
/** What is left out is told once; of so many names it is remembered that they were. */
const MAX_TOLD = 1_000;
const MAX_ERROR_LENGTH = 1_000;

interface RunningSourceOptions extends Omit<PlannedSource, 'hurries'> {
  readonly rules: readonly Rule[];
  readonly settings: Settings;
  readonly clock: Clock;
  readonly counters: SourceCounters;
  /** Told when other targets are known than before. */
  readonly onChange: () => void;
}

/** One source with what it found, kept running until it is stopped. */
export class RunningSource {
  readonly name: string;
  readonly targets: KnownTargets;
  readonly #options: RunningSourceOptions;
  readonly #logger: Logger;
  readonly #answered = deferred();
  readonly #told = new Lru<string, true>(MAX_TOLD);
  #health: SourceStatus['health'] = 'unknown';
  #failures = 0;
  #leftOut = 0;
  #lastError: string | undefined;
  #lastErrorMs: number | undefined;
  #lastSuccessMs: number | undefined;
  #way: string | undefined;
  #whyThisWay: string | undefined;

  constructor(options: RunningSourceOptions) {
    this.#options = options;
    this.name = options.name;
    this.targets = new KnownTargets(options.rules);
    this.#logger = options.settings.logger.with({ source: options.name });
  }

  /** Resolves when the source has answered once, or failed once. */
  get answered(): Promise<void> {
    return this.#answered.promise;
  }

  get status(): SourceStatus {
    return {
      name: this.name,
      health: this.#health,
      found: this.targets.found,
      kept: this.targets.kept,
      failures: this.#failures,
      leftOut: this.#leftOut,
      ...(this.#lastError !== undefined && { lastError: this.#lastError }),
      ...(this.#lastErrorMs !== undefined && { lastErrorMs: this.#lastErrorMs }),
      ...(this.#lastSuccessMs !== undefined && { lastSuccessMs: this.#lastSuccessMs }),
      ...(this.#way !== undefined && { way: this.#way }),
      ...(this.#whyThisWay !== undefined && { whyThisWay: this.#whyThisWay }),
    };
  }

  /** Resolves soon after `signal` aborts; never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    const context: SourceContext = {
      settings: { ...this.#options.settings, logger: this.#logger },
      clock: this.#options.clock,
      failed: (error) => this.#fail(error),
      leftOut: (reason, name, why) => this.#leaveOut(reason, name, why),
      learns: (way, why) => this.#learn(way, why),
    };
    const update = (groups: readonly TargetGroup[]): void => {
      if (!signal.aborted) this.#succeed(groups);
    };
    let delayMs = FIRST_RESTART_MS;
    while (!signal.aborted) {
      const successBefore = this.#lastSuccessMs;
      try {
        const source = await this.#options.load(context);
        await source.run(update, signal);
        if (!signal.aborted) this.#fail(new Error('the source ended by itself'));
      } catch (error) {
        if (!signal.aborted) this.#fail(error);
      }
      if (this.#lastSuccessMs !== successBefore) delayMs = FIRST_RESTART_MS;
      // Rejects only where it is aborted, which the loop sees.
      await sleep(this.#options.clock, delayMs, signal).catch(() => undefined);
      delayMs = Math.min(LAST_RESTART_MS, delayMs * 2);
    }
  }

  /** Throws where there are too many targets. */
  #succeed(groups: readonly TargetGroup[]): void {
    const hasChanged = this.targets.update(groups);
    if (this.#health === 'down') this.#logger.info('discovery works again', { targets: this.targets.kept });
    this.#health = 'up';
    this.#lastSuccessMs = this.#options.clock.now();
    if (hasChanged) this.#options.onChange();
    this.#answered.resolve();
  }

  #fail(error: unknown): void {
    this.#failures++;
    this.#options.counters.failures.add(1, { source: this.name });
    this.#lastError = (error instanceof Error ? error.message : String(error)).slice(0, MAX_ERROR_LENGTH);
    this.#lastErrorMs = this.#options.clock.now();
    if (this.#health !== 'down')
      this.#logger.warn('discovery fails; the targets that were found last stay', {
        error,
        targets: this.targets.kept,
      });
    this.#health = 'down';
    this.#answered.resolve();
  }

  #learn(way: string, why: string | undefined): void {
    const isNews = way !== this.#way || why !== this.#whyThisWay;
    this.#way = way;
    this.#whyThisWay = why;
    if (isNews)
      this.#logger.info('how changes of targets are learnt', { way, ...(why !== undefined && { why }) });
  }

  #leaveOut(reason: string, name: string, why: string): void {
    this.#leftOut++;
    this.#options.counters.leftOut.add(1, { source: this.name, reason });
    this.#lastError = `${name}: ${why}`.slice(0, MAX_ERROR_LENGTH);
    this.#lastErrorMs = this.#options.clock.now();
    const key = `${reason} ${name}`;
    if (this.#told.get(key) === true) return;
    this.#told.set(key, true);
    this.#logger.warn('left out of discovery', { reason, name, why });
  }
}
