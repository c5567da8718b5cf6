// SPDX-License-Identifier: Apache-2.0

const STRIDE = 4;
/** Pairs of entries: 1 MiB of them at most, which stays in the caches of a processor. */
const MAX_BITS = 15;

/**
 * Frames of a chunk whose locations are known: one place to look at instead of a table each for methods, kinds and
 * locations. Two frames share a place, a third drives out the older one; who misses asks the tables.
 */
export class FrameCache {
  /** Method, line, kind, location; a location of 0 marks a free entry. */
  readonly #entries: Int32Array;
  readonly #shift: number;

  /** For frames of so many methods. */
  constructor(methods: number) {
    const bits = Math.min(MAX_BITS, 33 - Math.clz32(methods + 7));
    this.#entries = new Int32Array((STRIDE * 2) << bits);
    this.#shift = 32 - bits;
  }

  #placeOf(method: number, line: number, kind: number): number {
    const mixed = Math.imul(method, 0x9e37_79b1) ^ Math.imul(line + (kind << 20), 0x85eb_ca77);
    return (Math.imul(mixed, 0xc2b2_ae3d) >>> this.#shift) * STRIDE * 2;
  }

  /** The location of a frame, or 0. */
  find(method: number, line: number, kind: number): number {
    const entries = this.#entries;
    let at = this.#placeOf(method, line, kind);
    if (entries[at] === method && entries[at + 1] === line && entries[at + 2] === kind)
      return entries[at + 3] as number;
    at += STRIDE;
    if (entries[at] === method && entries[at + 1] === line && entries[at + 2] === kind)
      return entries[at + 3] as number;
    return 0;
  }

  /** Keeps the location of a frame that was not found. */
  keep(method: number, line: number, kind: number, location: number): void {
    const entries = this.#entries;
    const at = this.#placeOf(method, line, kind);
    for (let i = at; i < at + STRIDE; i++) entries[i + STRIDE] = entries[i] as number;
    entries[at] = method;
    entries[at + 1] = line;
    entries[at + 2] = kind;
    entries[at + 3] = location;
  }
}
