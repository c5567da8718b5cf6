// SPDX-License-Identifier: Apache-2.0
import type { WireReader } from '../../internal/wire-reader.ts';

/**
 * Columns and objects may take this many times the size of the request, plus a constant. Requests in the shape of
 * real ones need 3.0 to 4.6 times by the estimates here, and 2.5 to 4.0 as measured on the heap: most where each
 * resource has a profile of a few samples. Tables are translated, not viewed, so it is more than `memory.ts` allows.
 */
const BYTES_PER_BYTE = 5;
const FREE_BYTES = 1 << 20;

/** Estimated heap sizes in bytes. */
export const Cost = { resource: 320, scope: 256, profile: 256, attribute: 96 } as const;

/** Bounds what the decoder of OTLP 1.7 allocates: charged before each allocation that the input asks for. */
export class MemoryBudget {
  #left: number;

  constructor(inputSizeBytes: number) {
    this.#left = inputSizeBytes * BYTES_PER_BYTE + FREE_BYTES;
  }

  /** Throws DecodeError at the reader's place when the budget is spent. */
  charge(r: WireReader, sizeBytes: number): void {
    this.#left -= sizeBytes;
    if (this.#left < 0)
      r.fail(
        `decoding would take more than ${BYTES_PER_BYTE} times the message and ${FREE_BYTES} bytes of memory`,
      );
  }
}
