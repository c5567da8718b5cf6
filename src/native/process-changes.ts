// SPDX-License-Identifier: Apache-2.0

/** What became of processes since the last `take`. */
export interface ProcessChanges {
  /** Began, became another program or another user's, and were still there a moment later. */
  readonly began: Int32Array;
  readonly ended: Int32Array;
  /** The kernel had to drop events: every process may be another one. */
  readonly lost: boolean;
  /** Datagrams so far that did not come from the kernel, or not as it writes them. */
  readonly refused: number;
  /** Nothing comes any more. */
  readonly failure?: Error;
}

/** The kernel's events of processes; native/addon/process_events. */
export interface ProcessEvents {
  /** At most so many that began; what is left, or comes later, is told by another `ready`. */
  take(maxBegan: number): ProcessChanges;
  /** Ends the subscription. May be called again. */
  close(): void;
}

export interface ProcessEventOptions {
  /** The process of `/proc/self`. */
  readonly ownPid: number;
  /** Path of the network namespace that the kernel speaks in; its own where it cannot be entered. */
  readonly networkNamespace?: string;
  /** From an exec, or an end, until it is told: 50. */
  readonly settleMs?: number;
  /** From a fork: 1,000. */
  readonly forkSettleMs?: number;
  /** How long the kernel may keep silent at the start: 1,000. */
  readonly waitMs?: number;
  /** What the kernel keeps at most: 4 MiB. */
  readonly receiveBufferBytes?: number;
}
