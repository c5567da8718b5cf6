// SPDX-License-Identifier: Apache-2.0
import { createHash } from 'node:crypto';
import { packLabels } from '../relabel/packed-labels.ts';
import { type LabelSet, relabel } from '../relabel/relabel.ts';
import type { Rule } from '../relabel/rule.ts';
import { MAX_TARGETS, type TargetGroup } from './target.ts';

/** A target after relabelling. */
export interface KnownTarget {
  readonly labels: LabelSet;
  /** Equal for equal labels. */
  readonly id: string;
}

interface Group {
  readonly found: number;
  readonly kept: readonly KnownTarget[];
}

/** What one source has found, after its rules. */
export class KnownTargets {
  readonly #rules: readonly Rule[];
  readonly #groups = new Map<string, Group>();
  #found = 0;
  #kept = 0;

  constructor(rules: readonly Rule[]) {
    this.#rules = rules;
  }

  /** Targets before and after relabelling. */
  get found(): number {
    return this.#found;
  }

  get kept(): number {
    return this.#kept;
  }

  /** True where other targets are known than before. Throws Error, and changes nothing, where there are too many. */
  update(groups: readonly TargetGroup[]): boolean {
    const added = groups.reduce(
      (sum, { name, targets }) => sum + targets.length - (this.#groups.get(name)?.found ?? 0),
      0,
    );
    if (added > 0 && this.#found + added > MAX_TARGETS) throw new Error(`more than ${MAX_TARGETS} targets`);
    let hasChanged = false;
    for (const group of groups) {
      const before = this.#groups.get(group.name);
      const after = this.#relabelled(group);
      this.#found += after.found - (before?.found ?? 0);
      this.#kept += after.kept.length - (before?.kept.length ?? 0);
      if (after.found === 0) this.#groups.delete(group.name);
      else this.#groups.set(group.name, after);
      hasChanged ||= !haveSameIds(before?.kept ?? [], after.kept);
    }
    return hasChanged;
  }

  *[Symbol.iterator](): Iterator<KnownTarget> {
    for (const { kept } of this.#groups.values()) yield* kept;
  }

  #relabelled({ labels: shared, targets }: TargetGroup): Group {
    const kept = targets.flatMap((own): KnownTarget[] => {
      const result = relabel(new Map([...shared, ...own]), this.#rules);
      return result.kept && result.labels.size > 0
        ? [{ labels: packLabels(result.labels, shared), id: idOf(result.labels) }]
        : [];
    });
    return { found: targets.length, kept };
  }
}

function haveSameIds(a: readonly KnownTarget[], b: readonly KnownTarget[]): boolean {
  return a.length === b.length && a.every(({ id }, i) => id === b[i]?.id);
}

/** No label name holds a NUL, and what follows one ends where the next begins: different sets differ. */
function idOf(labels: LabelSet): string {
  const parts = [...labels]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${name.length} ${name}${value.length} ${value}`);
  return createHash('sha1').update(parts.join('')).digest('base64');
}
