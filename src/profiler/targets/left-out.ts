// SPDX-License-Identifier: Apache-2.0
import type { SampledProcess } from './attribution.ts';

/** More are not remembered; all are sampled again then, and decided anew. */
const MAX_REMEMBERED = 65_536;

/**
 * Processes that are no targets and need not be sampled any more, until they become some. A process that runs another
 * program is sampled again by itself.
 */
export class LeftOut {
  readonly #leaveOut: (pids: readonly number[], leaveOut: boolean) => void;
  readonly #known = new Map<number, SampledProcess>();
  #added = new Set<number>();
  #wanted = new Set<number>();

  constructor(leaveOut: (pids: readonly number[], leaveOut: boolean) => void) {
    this.#leaveOut = leaveOut;
  }

  add(process: SampledProcess): void {
    this.#known.set(process.pid, process);
    this.#added.add(process.pid);
  }

  /** A process whose samples are wanted: what else had its pid, or ran in it, has ended. */
  want({ pid }: SampledProcess): void {
    this.#wanted.add(pid);
  }

  /** Leaves out what was added, and is not wanted, since the last call. */
  apply(): void {
    for (const pid of this.#wanted) if (this.#added.delete(pid)) this.#known.delete(pid);
    if (this.#added.size > 0) this.#leaveOut([...this.#added], true);
    this.#added = new Set();
    this.#wanted = new Set();
    if (this.#known.size <= MAX_REMEMBERED) return;
    this.#leaveOut([...this.#known.keys()], false);
    this.#known.clear();
  }

  /** Samples those again that are targets now. */
  reconsider(isTarget: (process: SampledProcess) => boolean): void {
    const back = [...this.#known.values()].filter(isTarget).map(({ pid }) => pid);
    for (const pid of back) this.#known.delete(pid);
    if (back.length > 0) this.#leaveOut(back, false);
  }
}
