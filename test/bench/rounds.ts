// SPDX-License-Identifier: Apache-2.0

/** Numbers of several rounds. */
export class Rounds {
  readonly values: readonly number[];

  constructor(values: readonly number[]) {
    this.values = values;
  }

  get median(): number {
    return this.#sorted()[this.values.length >> 1] ?? Number.NaN;
  }

  /** Value by value; both sides of one round saw the same machine. */
  over(other: Rounds): Rounds {
    return new Rounds(this.values.map((value, i) => value / (other.values[i] ?? Number.NaN)));
  }

  map(change: (value: number) => number): Rounds {
    return new Rounds(this.values.map(change));
  }

  /** min – **median** – max. */
  toString(): string {
    const sorted = this.#sorted();
    if (sorted.length === 0) return '—';
    return `${short(sorted[0])} – **${short(this.median)}** – ${short(sorted.at(-1))}`;
  }

  #sorted(): number[] {
    return [...this.values].sort((a, b) => a - b);
  }
}

/** Three significant digits, as many as two cores in use by others allow. */
export function short(value = Number.NaN): string {
  if (Number.isNaN(value)) return '—';
  return Math.abs(value) >= 100 ? value.toFixed(0) : Number(value.toPrecision(3)).toString();
}

/**
 * Runs every task once a round, in turn, so that what else the machine does falls on all of them. The
 * first round, `warmUp`, is for compilers and connections and is not counted.
 */
export async function interleave(
  rounds: number,
  tasks: readonly ((warmUp: boolean) => Promise<number>)[],
): Promise<Rounds[]> {
  const values = tasks.map((): number[] => []);
  for (let round = 0; round <= rounds; round++) {
    for (const [i, task] of tasks.entries()) {
      const value = await task(round === 0);
      if (round > 0) values[i]?.push(value);
    }
  }
  return values.map((list) => new Rounds(list));
}
