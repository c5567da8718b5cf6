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
  /** Memory in use that only the resident set shows; undefined where that does not count. */
  readonly native?: NativeMemory | undefined;
}

/** Resident memory that neither the JavaScript heap nor buffers, now or before, can explain. */
interface NativeMemory {
  bytes(): number;
  /** What is there now counts no longer. */
  accept(): void;
}

const MIB = 1024 * 1024;
/** What allocators lose between their blocks: this much, and a share of what they hold. */
const SLACK_BYTES = 16 * MIB;
const SLACK_SHARE = 1 / 8;

/**
 * The memory of this process.
 *
 * Used is what is alive on the JavaScript heap and in ArrayBuffers, plus what the process had resident
 * beside those when this was made (binary, native code, thread stacks). The resident set itself is not
 * taken: freed memory stays in it for reuse, so a burst would count against the limit forever after.
 *
 * `includeRss` adds what is resident beyond the heap as V8 has it and the most that buffers ever were: memory of
 * native code, of which the runtime knows nothing. See docs/decisions/0004.
 */
export function processMemory(includeRss = false): Memory {
  const { rss, heapUsed, external } = process.memoryUsage();
  const besideBytes = Math.max(0, rss - heapUsed - external);
  const native = includeRss ? nativeMemory(besideBytes) : undefined;
  return {
    native,
    totalBytes() {
      const constrained = process.constrainedMemory();
      const total = totalmem();
      // An unlimited control group reads as 0 or as a number beyond all memory.
      return constrained > 0 && constrained < total ? constrained : total;
    },
    usedBytes() {
      const now = process.memoryUsage();
      return besideBytes + now.heapUsed + now.external + (native?.bytes() ?? 0);
    },
    collectGarbage: garbageCollector(),
  };
}

function nativeMemory(besideBytes: number): NativeMemory {
  let peakExternalBytes = 0;
  let acceptedBytes = 0;
  const beyond = (): number => {
    const { rss, heapTotal, external } = process.memoryUsage();
    peakExternalBytes = Math.max(peakExternalBytes, external);
    const explained = besideBytes + heapTotal + peakExternalBytes;
    return Math.max(0, rss - explained * (1 + SLACK_SHARE) - SLACK_BYTES);
  };
  return {
    bytes: () => Math.max(0, beyond() - acceptedBytes),
    accept: () => void (acceptedBytes = beyond()),
  };
}
