// SPDX-License-Identifier: Apache-2.0
import type { WireReader } from '../../internal/wire-reader.ts';

/**
 * Columns and scratch may take this many times the size of the file, plus a constant. Files of real
 * producers need two to three times; a sample value of one byte becomes a column entry of eight, so
 * nothing that a profiler would write is refused.
 */
const BYTES_PER_BYTE = 8;
const FREE_BYTES = 1 << 20;

/** Estimated heap sizes in bytes of what is not a column. */
export const Cost = { profile: 640, sparseId: 100, comment: 80, list: 160, listItem: 96 } as const;

/** Bounds what the decoder allocates: charged before each allocation that the input asks for. */
export class MemoryBudget {
  #left: number;

  constructor(inputSizeBytes: number) {
    this.#left = inputSizeBytes * BYTES_PER_BYTE + FREE_BYTES;
  }

  /** Throws DecodeError at the reader's place when the budget is spent. */
  charge(r: WireReader, sizeBytes: number): void {
    this.#left -= sizeBytes;
    if (this.#left < 0) r.fail(`decoding would take more than ${BYTES_PER_BYTE} times the size of the file`);
  }

  /** Gives back what was charged for something that is garbage now. */
  refund(sizeBytes: number): void {
    this.#left += sizeBytes;
  }
}
