// SPDX-License-Identifier: Apache-2.0
import { type Clock, systemClock, type Timer } from '../internal/clock.ts';
import { codecsAddon } from './codecs-addon.ts';

const FIRST_WAIT_MS = 10_000;
const LONGEST_WAIT_MS = 10 * 60_000;
/** Less is not worth the milliseconds for which an arena is locked. */
const WORTHWHILE_BYTES = 8 * 1024 * 1024;

/** What the trimmer needs of the process. */
export interface TrimmedProcess {
  /** Gives freed memory back to the system; undefined where nobody can. */
  readonly trim: (() => Promise<void>) | undefined;
  /** Bytes that the system counts as taken. */
  readonly residentBytes: () => number;
}

const thisProcess = (): TrimmedProcess => {
  const addon = codecsAddon();
  return {
    trim: addon && (() => addon.trimMemory()),
    residentBytes: () => process.memoryUsage.rss(),
  };
};

/**
 * Gives freed memory back to the system now and then: every 10 s while that is worth it, less and less often while it
 * is not. Messages that pass through leave holes between what stays, which malloc keeps for itself for good. Gives
 * a function that ends it.
 */
export function startTrimming(
  clock: Clock = systemClock,
  { trim, residentBytes }: TrimmedProcess = thisProcess(),
): () => void {
  if (trim === undefined) return () => undefined;
  let waitMs = FIRST_WAIT_MS;
  let timer: Timer | undefined;
  let isOver = false;
  const turn = async (): Promise<void> => {
    const before = residentBytes();
    await trim();
    const isWorthIt = before - residentBytes() >= WORTHWHILE_BYTES;
    waitMs = isWorthIt ? FIRST_WAIT_MS : Math.min(LONGEST_WAIT_MS, waitMs * 2);
    if (!isOver) timer = clock.setTimeout(() => void turn(), waitMs);
  };
  timer = clock.setTimeout(() => void turn(), waitMs);
  return () => {
    isOver = true;
    timer?.cancel();
  };
}
