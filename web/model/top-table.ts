// SPDX-License-Identifier: Apache-2.0
import type { FlameTree } from './flame-tree.ts';

export interface TopRow {
  readonly frame: number;
  readonly self: number;
  /** Weight of the stacks with the function, each counted once however often it recurs. */
  readonly total: number;
}

export type SortKey = 'self' | 'total' | 'name';

/** Functions below `zoom` (with its own), unsorted. */
export function topFunctions(tree: FlameTree, zoom: number): TopRow[] {
  const self = new Float64Array(tree.frames.length);
  const total = new Float64Array(tree.frames.length);
  const onPath = new Int32Array(tree.frames.length);
  const path: number[] = [];
  for (let node = zoom; node < (tree.end[zoom] as number); node++) {
    for (
      let last = path.at(-1);
      last !== undefined && (tree.end[last] as number) <= node;
      last = path.at(-1)
    ) {
      const gone = tree.frame[last] as number;
      onPath[gone] = (onPath[gone] as number) - 1;
      path.pop();
    }
    const frame = tree.frame[node] as number;
    self[frame] = (self[frame] as number) + (tree.self[node] as number);
    if (onPath[frame] === 0) total[frame] = (total[frame] as number) + (tree.total[node] as number);
    onPath[frame] = (onPath[frame] as number) + 1;
    path.push(node);
  }
  const rows: TopRow[] = [];
  for (let frame = 2; frame < total.length; frame++) {
    if ((total[frame] as number) > 0)
      rows.push({ frame, self: self[frame] as number, total: total[frame] as number });
  }
  return rows;
}

/** Heaviest first, or by name; ties by name, so that live updates do not shuffle. */
export function sortRows(
  tree: FlameTree,
  rows: readonly TopRow[],
  key: SortKey,
  ascending: boolean,
): TopRow[] {
  const name = (row: TopRow): string => tree.frames[row.frame]?.name ?? '';
  const byName = (a: TopRow, b: TopRow): number =>
    name(a) < name(b) ? -1 : name(a) > name(b) ? 1 : a.frame - b.frame;
  const sign = ascending ? 1 : -1;
  return rows.toSorted((a, b) =>
    key === 'name' ? sign * byName(a, b) : sign * (a[key] - b[key]) || byName(a, b),
  );
}
