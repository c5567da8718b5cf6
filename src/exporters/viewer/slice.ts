// SPDX-License-Identifier: Apache-2.0
import { hashEnd, hashInt, hashStart } from '../../pdata/columns.ts';

const STATE_BYTES = 48;

/**
 * One step of time: weight by (series, node). Weights are doubles: sums for the eye, exact to 2^53.
 * The hash index exists only while samples are being added; `seal` drops it and the spare capacity.
 */
export class Slice {
  /** Start of the slice divided by the slice length. */
  readonly step: number;
  /** Events added. */
  events = 0;
  length = 0;
  series = new Int32Array(64);
  node = new Int32Array(64);
  weight = new Float64Array(64);
  /** When what a series holds was so, of series that tell a state. */
  #stateMs = new Map<number, number>();
  #slots: Int32Array | undefined;

  constructor(step: number) {
    this.step = step;
  }

  get bytes(): number {
    return (
      this.series.byteLength +
      this.node.byteLength +
      this.weight.byteLength +
      (this.#slots?.byteLength ?? 0) +
      this.#stateMs.size * STATE_BYTES +
      200
    );
  }

  get isOpen(): boolean {
    return this.#slots !== undefined;
  }

  add(series: number, node: number, weight: number): void {
    const slots = this.#slots ?? this.#index((this.length + 1) * 2);
    const mask = slots.length - 1;
    let i = hashEnd(hashInt(hashInt(hashStart(), series), node)) & mask;
    for (; slots[i] !== 0; i = (i + 1) & mask) {
      const row = (slots[i] as number) - 1;
      if (this.series[row] === series && this.node[row] === node) {
        this.weight[row] = (this.weight[row] as number) + weight;
        return;
      }
    }
    const row = this.length++;
    slots[i] = row + 1;
    this.series[row] = series;
    this.node[row] = node;
    this.weight[row] = weight;
    if (this.length === this.series.length) this.#resize(this.length * 2);
  }

  /**
   * Makes room for a state of a series: an older one is gone then. False where a newer one is there already.
   */
  beginState(series: number, timeMs: number): boolean {
    const knownMs = this.#stateMs.get(series);
    if (knownMs !== undefined && timeMs <= knownMs) return timeMs === knownMs;
    this.#stateMs.set(series, timeMs);
    if (knownMs === undefined) return true;
    for (let row = 0; row < this.length; row++) if (this.series[row] === series) this.weight[row] = 0;
    return true;
  }

  seal(): void {
    this.#slots = undefined;
    this.#copy(Math.max(this.length, 1));
  }

  /** Applies the new ids after a compaction of series and nodes. */
  remap(seriesIds: Int32Array, nodeIds: Int32Array): void {
    for (let row = 0; row < this.length; row++) {
      this.series[row] = seriesIds[this.series[row] as number] as number;
      this.node[row] = nodeIds[this.node[row] as number] as number;
    }
    this.#stateMs = new Map([...this.#stateMs].map(([id, timeMs]) => [seriesIds[id] as number, timeMs]));
    if (this.#slots !== undefined) this.#index(this.#slots.length);
  }

  #resize(capacity: number): void {
    this.#copy(capacity);
    this.#index(capacity * 2);
  }

  #copy(capacity: number): void {
    const { series, node, weight, length } = this;
    this.series = new Int32Array(capacity);
    this.node = new Int32Array(capacity);
    this.weight = new Float64Array(capacity);
    this.series.set(series.subarray(0, length));
    this.node.set(node.subarray(0, length));
    this.weight.set(weight.subarray(0, length));
  }

  #index(wanted: number): Int32Array {
    let size = 128;
    while (size < wanted) size *= 2;
    if (this.length === this.series.length) this.#copy(size / 2);
    const slots = new Int32Array(size);
    for (let row = 0; row < this.length; row++) {
      let i =
        hashEnd(hashInt(hashInt(hashStart(), this.series[row] as number), this.node[row] as number)) &
        (size - 1);
      while (slots[i] !== 0) i = (i + 1) & (size - 1);
      slots[i] = row + 1;
    }
    this.#slots = slots;
    return slots;
  }
}
