// SPDX-License-Identifier: Apache-2.0
import type { Exporter, Host } from '../../component/component.ts';
import type { SendingQueueConfig } from '../../config/sections/queue.ts';
import type { RetryOnFailureConfig } from '../../config/sections/retry.ts';
import type { Clock } from '../../internal/clock.ts';
import type { ProfilesBatch } from '../../pdata/profiles-batch.ts';
import type { StopLimit } from './stop-limit.ts';

/** How an exporter wants to be helped. What is left out is off. */
export interface HelperOptions {
  readonly queue?: SendingQueueConfig | undefined;
  readonly retry?: RetryOnFailureConfig | undefined;
  /** Milliseconds per attempt; 0 or nothing = no limit. */
  readonly timeout?: number | undefined;
  /** Opens connections; a rejection fails the start of the collector. */
  start?(host: Host, signal: AbortSignal): Promise<void>;
  /** Closes them; called once, after the last attempt. */
  shutdown?(): Promise<void>;
  readonly clock?: Clock;
  readonly random?: () => number;
  /** Who gives the requests their credentials: what it takes from clients' metadata is kept for it. */
  readonly auth?: { readonly authenticator: string } | undefined;
  /** Bound on the memory of queued batches; the default is 256 MiB. */
  readonly maxQueuedBytes?: number;
  /** For a destination that may be down: how long a shutdown waits for it. It is told of what is taken. */
  readonly stopLimit?: StopLimit | undefined;
}

/** Sends one batch, as a whole: called again for each attempt. Errors and `signal` as in `Delivery`. */
export type Send = (batch: ProfilesBatch, signal: AbortSignal) => Promise<void>;

/** An exporter that can be told that its destination is back. */
export interface HelpedExporter extends Exporter {
  /** Ends the backoff of everything that waits for a retry, save where the other side named a time. */
  retryNow(): void;
}

/** Of an exporter without retries. */
export const NO_RETRY: RetryOnFailureConfig = {
  enabled: false,
  initial_interval: 0,
  randomization_factor: 0,
  multiplier: 1,
  max_interval: 0,
  max_elapsed_time: 0,
};
/** Of an exporter without a queue. */
export const NO_QUEUE: SendingQueueConfig = {
  enabled: false,
  num_consumers: 1,
  queue_size: 1,
  sizer: 'requests',
  block_on_overflow: false,
  wait_for_result: false,
};
