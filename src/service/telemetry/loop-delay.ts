// SPDX-License-Identifier: Apache-2.0
import { createHistogram, performance } from 'node:perf_hooks';

const BUSY_MS = 100;
const QUIET_MS = 2_000;
/** Busier than that, and lateness is worth being looked for. */
const BUSY_SHARE = 0.02;

/** How late timers of the event loop ran since it was asked last; 0 while it is not measured. */
export interface LoopDelay {
  start(): void;
  stop(): void;
  /** The 99th percentile, nanoseconds. Begins anew. */
  takeP99(): number;
}

/**
 * Measures with a timer of its own that fires ten times a second while the loop is busy and every other second
 * while it is not: Node's monitor wakes a process that does nothing as often as one that works, which was a sixth
 * of what an idle profiler cost.
 */
export function measureLoopDelay(): LoopDelay {
  const late = createHistogram();
  let timer: NodeJS.Timeout | undefined;
  let since = performance.eventLoopUtilization();
  const wait = (ms: number): void => {
    const planned = performance.now() + ms;
    timer = setTimeout(() => {
      // A histogram takes no 0.
      late.record(Math.max(1, Math.round((performance.now() - planned) * 1e6)));
      const now = performance.eventLoopUtilization();
      const { utilization } = performance.eventLoopUtilization(now, since);
      since = now;
      wait(utilization > BUSY_SHARE ? BUSY_MS : QUIET_MS);
    }, ms).unref();
  };
  return {
    start: () => wait(BUSY_MS),
    stop: () => clearTimeout(timer),
    takeP99: () => {
      const p99 = late.count === 0 ? 0 : late.percentile(99);
      late.reset();
      return p99;
    },
  };
}
