// SPDX-License-Identifier: Apache-2.0

/** What a program does to its title, its folder or its cgroup when it begins is done by then; no event tells of it. */
const AGES_MS = [1_000, 10_000] as const;

/** Processes that began lately and are to be read again, each so often as there are ages. */
export class Revisits {
  readonly #visits = new Map<number, { readonly beganMs: number; next: number }>();

  /** It began, or became another program. */
  add(pid: number, nowMs: number): void {
    this.#visits.set(pid, { beganMs: nowMs, next: 0 });
  }

  remove(pid: number): void {
    this.#visits.delete(pid);
  }

  /** When one is due; Infinity where none is waited for. */
  get dueMs(): number {
    let dueMs = Number.POSITIVE_INFINITY;
    for (const visit of this.#visits.values()) dueMs = Math.min(dueMs, dueOf(visit));
    return dueMs;
  }

  /** Those that are due, at most `limit`. */
  take(nowMs: number, limit: number): number[] {
    const due: number[] = [];
    for (const [pid, visit] of this.#visits) {
      if (due.length >= limit) break;
      if (dueOf(visit) > nowMs) continue;
      due.push(pid);
      visit.next++;
      if (visit.next >= AGES_MS.length) this.#visits.delete(pid);
    }
    return due;
  }
}

function dueOf({ beganMs, next }: { readonly beganMs: number; readonly next: number }): number {
  return beganMs + (AGES_MS[next] ?? Number.POSITIVE_INFINITY);
}
