// SPDX-License-Identifier: Apache-2.0
import { withEither } from '../internal/abort.ts';
import { type Clock, sleep } from '../internal/clock.ts';
import { deferred } from '../internal/deferred.ts';
import type { SourceContext, TargetGroup, TargetSource } from './target.ts';

/** What changes together is asked for together, and a host where much changes is not asked all the time. */
const SETTLE_MS = 1_000;
/** Before changes are followed again where that ended; each time in vain doubles it. */
const FIRST_FOLLOW_MS = 1_000;
const LAST_FOLLOW_MS = 60_000;

/** What a source has beside its question. */
interface RefreshingOptions {
  /**
   * Calls `changed` whenever it is worth to ask, and once when it begins to see changes; until it ends, rejects or
   * the signal aborts. It is then run again. Nothing depends on it: the source is asked every interval anyway.
   */
  follow?(changed: () => void, signal: AbortSignal): Promise<void>;
  /** Runs when the source ends. */
  close?(): Promise<void>;
}

/**
 * A source that asks again and again: at once, then every `intervalMs` after the last question began, and when
 * something has changed. A question that takes longer than the interval is given up.
 */
export function refreshing(
  { clock, failed }: SourceContext,
  intervalMs: number,
  ask: (signal: AbortSignal) => Promise<readonly TargetGroup[]>,
  { follow, close }: RefreshingOptions = {},
): TargetSource {
  return {
    async run(update, signal) {
      const changes = new Changes();
      const following = follow === undefined ? undefined : keepFollowing(follow, changes, clock, signal);
      try {
        while (!signal.aborted) {
          const begun = clock.elapsed();
          const changed = changes.next();
          try {
            update(await limited(ask, intervalMs, clock, signal));
          } catch (error) {
            if (!signal.aborted) failed(error);
          }
          await changedOrTime(changed, Math.max(0, begun + intervalMs - clock.elapsed()), clock, signal);
        }
      } finally {
        await following;
        await close?.();
      }
    },
  };
}

/** Changes that were told of since the last look. */
class Changes {
  #changed = deferred();

  tell(): void {
    this.#changed.resolve();
  }

  /** Resolves at the first change from now on. */
  next(): Promise<void> {
    this.#changed = deferred();
    return this.#changed.promise;
  }
}

async function limited<T>(
  ask: (signal: AbortSignal) => Promise<T>,
  limitMs: number,
  clock: Clock,
  signal: AbortSignal,
): Promise<T> {
  const limit = new AbortController();
  const late = new Error(`no answer within ${limitMs} ms`);
  const timer = clock.setTimeout(() => limit.abort(late), limitMs);
  try {
    return await withEither([signal, limit.signal], ask);
  } finally {
    timer.cancel();
  }
}

/** Resolves when something has changed and settled, when the time is over, or at the stop. */
async function changedOrTime(
  changed: Promise<void>,
  waitMs: number,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  const again = new AbortController();
  void changed.then(() => again.abort());
  try {
    await withEither([signal, again.signal], (either) => sleep(clock, waitMs, either));
  } catch {
    // Ended by a change, or by the stop, at which the next sleep ends at once.
    await sleep(clock, SETTLE_MS, signal).catch(() => undefined);
  }
}

async function keepFollowing(
  follow: NonNullable<RefreshingOptions['follow']>,
  changes: Changes,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  let delayMs = FIRST_FOLLOW_MS;
  while (!signal.aborted) {
    let hasSeen = false;
    const changed = (): void => {
      hasSeen = true;
      changes.tell();
    };
    // Why it ends is told by the question, which then fails too.
    await follow(changed, signal).catch(() => undefined);
    if (hasSeen) delayMs = FIRST_FOLLOW_MS;
    await sleep(clock, delayMs, signal).catch(() => undefined);
    delayMs = Math.min(LAST_FOLLOW_MS, delayMs * 2);
  }
}
