// SPDX-License-Identifier: Apache-2.0
import type { Settings } from '../component/component.ts';
import type { Clock } from '../internal/clock.ts';
import type { LabelSet } from '../relabel/relabel.ts';

/** A source that has more is at fault; what it had before stays. */
export const MAX_TARGETS = 100_000;

/** Targets that one object of a source stands for: a file, a pod, a whole answer. */
export interface TargetGroup {
  /** Names the object within its source; a group replaces the one of the same name, without targets it takes it away. */
  readonly name: string;
  /** Labels of every target of the group; a target's own label of the same name goes before. */
  readonly labels: LabelSet;
  readonly targets: readonly LabelSet[];
}

/** Somewhere targets come from. */
export interface TargetSource {
  /**
   * Runs until `signal` aborts and hands over groups that are new or have changed; an empty list says that
   * nothing has. What was handed over stays until it is replaced, whatever fails. `update` throws, and takes nothing,
   * where there are too many targets. A rejection counts as a failure, after which the source is run again; a source
   * that goes on by itself tells `context.failed`.
   */
  run(update: (groups: readonly TargetGroup[]) => void, signal: AbortSignal): Promise<void>;
}

/** What a source is given beside its configuration. */
export interface SourceContext {
  /** The component that wants the targets. */
  readonly settings: Settings;
  readonly clock: Clock;
  /** The source was asked in vain; logged when it begins, counted each time. Ends with the next `update`. */
  failed(error: unknown): void;
  /**
   * Something that was found is no target, or a part of the source failed: it is left out, or keeps what it
   * had. Counted under `reason`, a word of a few; `name` is told in the log, once. The rest counts.
   */
  leftOut(reason: string, name: string, why: string): void;
  /**
   * How the source learns of changes, where it has more than one way; `why` not by a better one. Shown with its
   * status, and told in the log when it is another way than before.
   */
  learns(way: 'events' | 'polling', why?: string): void;
}

/** How a source is, for people. */
export interface SourceStatus {
  /** Its place in the component's configuration: `target_groups::1::http_sd_configs::0`. */
  readonly name: string;
  readonly health: 'unknown' | 'up' | 'down';
  /** Targets that it found, and those that relabelling kept. */
  readonly found: number;
  readonly kept: number;
  readonly failures: number;
  readonly leftOut: number;
  /** Why it is down, or what went wrong last, left out or failed. */
  readonly lastError?: string;
  readonly lastErrorMs?: number;
  readonly lastSuccessMs?: number;
  /** How it learns of changes, and why not by a better way. */
  readonly way?: string;
  readonly whyThisWay?: string;
}
