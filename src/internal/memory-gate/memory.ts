// SPDX-License-Identifier: Apache-2.0
import { totalmem } from 'node:os';
import { garbageCollector } from '../garbage-collector.ts';

/** What the limiter knows of memory and can do about it. */
export interface Memory {
  /** Limit of the control group, or the machine's memory. Bytes. */
  totalBytes(): number;
  usedBytes(): number;
  /** Collects garbage now, synchronously; undefined where the runtime offers no such thing. */
  readonly collectGarbage: (() => void) | undefined;
}

/**
 * The memory of this process.
 *
 * Used is what is alive on the JavaScript heap and in ArrayBuffers, plus what the process had resident
 * beside those when this was made (binary, native code, thread stacks). The resident set itself is not
 * taken: freed memory stays in it for reuse, so a burst would count against the limit forever after.
 */
export function processMemory(): Memory {
  const { rss, heapUsed, external } = process.memoryUsage();
  const besideBytes = Math.max(0, rss - heapUsed - external);
  return {
    totalBytes() {
      const constrained = process.constrainedMemory();
      const total = totalmem();
      // An unlimited control group reads as 0 or as a number beyond all memory.
      return constrained > 0 && constrained < total ? constrained : total;
    },
    usedBytes() {
      const now = process.memoryUsage();
      return besideBytes + now.heapUsed + now.external;
    },
    collectGarbage: garbageCollector(),
  };
}
