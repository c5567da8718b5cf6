// SPDX-License-Identifier: Apache-2.0
import { withEither } from '../../internal/abort.ts';
import { type Clock, sleep } from '../../internal/clock.ts';
import type { ProcessEvents } from '../../native/process-changes.ts';
import type { SourceContext, TargetGroup } from '../target.ts';
import type { ProcessSdConfig } from './config.ts';
import type { ProcessTable } from './process-table.ts';
import { Revisits } from './revisits.ts';

/** Processes that are read in one go; more wait for the next, and those that end meanwhile are never read. */
const MAX_READS = 1_000;
/** After work comes so many times as long a rest: a storm of processes costs a tenth of a CPU, whatever it brings. */
const REST_FACTOR = 9;
/** But no longer: what began is to be known soon. */
const MAX_REST_MS = 1_000;

/** Rung when there is something to do. */
export class Bell {
  #isRung = false;
  #wake: (() => void) | undefined;

  ring(): void {
    this.#isRung = true;
    this.#wake?.();
  }

  /** Resolves when it rings, or has rung since the last wait; when the time is over; at the stop. */
  async wait(clock: Clock, waitMs: number, signal: AbortSignal): Promise<void> {
    if (!this.#isRung) {
      const woken = new AbortController();
      this.#wake = () => woken.abort();
      // Rejects where it is aborted, which is what it waits for.
      await withEither([signal, woken.signal], (either) => sleep(clock, waitMs, either)).catch(
        () => undefined,
      );
      this.#wake = undefined;
    }
    this.#isRung = false;
  }
}

/** What an `EventFollower` works with. */
export interface Followed {
  readonly table: ProcessTable;
  readonly events: ProcessEvents;
  /** Rung by the events. */
  readonly bell: Bell;
  readonly config: ProcessSdConfig;
  readonly context: SourceContext;
  readonly update: (groups: readonly TargetGroup[]) => void;
}

/**
 * Reads those processes of which the kernel tells, and all of them at the start, every `refresh_interval` and
 * after events that were lost.
 */
export class EventFollower {
  readonly #of: Followed;
  readonly #revisits = new Revisits();
  #wantsAll = true;
  #allNotBeforeMs = Number.NEGATIVE_INFINITY;
  #refreshMs: number;
  #refused = 0;

  constructor(followed: Followed) {
    this.#of = followed;
    this.#refreshMs = followed.context.clock.elapsed();
  }

  /** Until `signal` aborts, or no events come any more: then it resolves to why. Never rejects. */
  async run(signal: AbortSignal): Promise<Error | undefined> {
    const { bell, context } = this.#of;
    const { clock } = context;
    while (!signal.aborted) {
      const begunMs = clock.elapsed();
      const changes = this.#of.events.take(MAX_READS);
      if (changes.failure !== undefined) return changes.failure;
      this.#count(changes.lost, changes.refused);
      try {
        await this.#look(changes.began, changes.ended, signal);
      } catch (error) {
        if (!signal.aborted) context.failed(error);
      }
      const restMs = Math.min(MAX_REST_MS, (clock.elapsed() - begunMs) * REST_FACTOR);
      // Rejects only where it is aborted, which the loop sees.
      if (restMs > 0) await sleep(clock, restMs, signal).catch(() => undefined);
      await bell.wait(clock, Math.max(0, this.#dueMs() - clock.elapsed()), signal);
    }
    return undefined;
  }

  async #look(began: Int32Array, ended: Int32Array, signal: AbortSignal): Promise<void> {
    const { table, context, update } = this.#of;
    const nowMs = context.clock.elapsed();
    for (const pid of ended) this.#revisits.remove(pid);
    for (const pid of began) this.#revisits.add(pid, nowMs);
    if (nowMs >= this.#allDueMs()) {
      await this.#lookAtAll(nowMs, signal);
      return;
    }
    const again = this.#revisits.take(nowMs, MAX_READS);
    if (began.length + again.length + ended.length === 0) return;
    const groups = await table.lookAt(new Set([...began, ...again]), ended, signal);
    if (groups.length > 0 && !signal.aborted) update(groups);
  }

  async #lookAtAll(nowMs: number, signal: AbortSignal): Promise<void> {
    const { table, context, config, update } = this.#of;
    this.#wantsAll = true;
    this.#allNotBeforeMs = nowMs + config.poll_interval;
    const groups = await table.look(true, signal);
    const endMs = context.clock.elapsed();
    this.#wantsAll = false;
    this.#refreshMs = nowMs + config.refresh_interval;
    this.#allNotBeforeMs = endMs + (endMs - nowMs) * REST_FACTOR;
    if (!signal.aborted) update(groups);
  }

  #count(lost: boolean, refused: number): void {
    const { leftOut } = this.#of.context;
    if (lost) {
      this.#wantsAll = true;
      leftOut(
        'lost_events',
        'events of processes',
        'the kernel had to drop some; every process is read again',
      );
    }
    if (refused > this.#refused)
      leftOut(
        'refused_messages',
        'messages about processes',
        'they are not the kernel’s, or not as it writes them',
      );
    this.#refused = refused;
  }

  #allDueMs(): number {
    return this.#wantsAll ? Math.min(this.#refreshMs, this.#allNotBeforeMs) : this.#refreshMs;
  }

  #dueMs(): number {
    return Math.min(this.#allDueMs(), this.#revisits.dueMs);
  }
}
