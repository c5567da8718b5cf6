// SPDX-License-Identifier: Apache-2.0
import type { WireReader } from '../../internal/wire-reader.ts';

/**
 * Columns and objects may take this many times the size of the request, plus a constant. Real requests
 * need two to four times; what needs more repeats empty messages and is an attack or a bug.
 */
const BYTES_PER_BYTE = 12;
const FREE_BYTES = 4 << 20;

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
      r.fail(`decoding would take more than ${BYTES_PER_BYTE} times the size of the message`);
  }
}
