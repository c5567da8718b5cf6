// SPDX-License-Identifier: Apache-2.0
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Collects all garbage of this process, synchronously; undefined where the runtime offers no such thing. */
export function garbageCollector(): (() => void) | undefined {
  // V8 hands its collector to contexts that are made while the flag is set.
  setFlagsFromString('--expose-gc');
  const collect: unknown = runInNewContext('globalThis.gc');
  setFlagsFromString('--no-expose-gc');
  return typeof collect === 'function' ? () => void collect() : undefined;
}

/** Garbage may be this much of what is alive before it is collected, in per cent. V8 by itself goes up to 300. */
const GARBAGE_PERCENT = 150;

/**
 * Makes V8 keep less garbage than it does by itself, for a process whose memory is mostly messages that pass
 * through: the young generation stays at its first size, and the old one is collected sooner. To be called before
 * the program is loaded. Figures: docs/benchmarks.md, "Peak RSS".
 */
export function keepGarbageSmall(): void {
  setFlagsFromString('--semi-space-growth-factor=1');
  setFlagsFromString(`--heap-growing-percent=${GARBAGE_PERCENT}`);
}
