// SPDX-License-Identifier: Apache-2.0
import { createHash } from 'node:crypto';
import { type Clock, systemClock } from '../../internal/clock.ts';
import { Lru } from '../../internal/lru.ts';

/** Enough for hundreds of series over the minutes in which a time can come again; about 4 MB. */
const REMEMBERED = 16_384;

/**
 * Gives every profile of a series its own nanosecond. Pyroscope's compaction takes two profiles with
 * equal labels and equal time, received in different requests, for duplicates and keeps only one; one
 * nanosecond apart both stay. A retry must send the time that was claimed, not claim again: then the
 * same rule removes the duplicate.
 */
export class TimeSlots {
  /** The next free time by series and claimed time. */
  readonly #next = new Lru<string, bigint>(REMEMBERED);
  readonly #clock: Clock;

  constructor(clock: Clock = systemClock) {
    this.#clock = clock;
  }

  /**
   * `timeNano`, or the first nanosecond after it that the series has not used. 0 is no time: the server takes it for
   * now, but not a nanosecond after it.
   */
  claim(series: string, timeNano: bigint): bigint {
    // Label sets are long, and many are remembered: their digest is enough.
    const digest = createHash('sha256').update(series).digest('base64url').slice(0, 22);
    const key = (time: bigint): string => `${time} ${digest}`;
    const wanted = timeNano === 0n ? BigInt(this.#clock.now()) * 1_000_000n : timeNano;
    let time = wanted;
    for (let next = this.#next.get(key(time)); next !== undefined; next = this.#next.get(key(time)))
      time = next;
    this.#next.set(key(time), time + 1n);
    if (time !== wanted) this.#next.set(key(wanted), time + 1n);
    return time;
  }
}

/** Shared by the exporters of a process: they may send to the same server. */
export const processTimeSlots = new TimeSlots();
