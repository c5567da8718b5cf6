// SPDX-License-Identifier: Apache-2.0
import { type Clock, type Timer } from '../../../internal/clock.ts';
import type { ExportReport } from './export-report.ts';
import { deliver, type OwnSender, type SendLimits } from './sender.ts';

/** How items are gathered. */
interface QueueLimits {
  /** Until what is there is sent, in milliseconds. */
  readonly delayMs: number;
  /** Further items are dropped. */
  readonly maxItems: number;
  /** From so many items on nothing waits; no request has more. */
  readonly maxRequestItems: number;
}

/** What an export queue is made of. */
export interface ExportQueueOptions<Item> {
  readonly limits: QueueLimits;
  readonly sending: SendLimits;
  readonly encode: (items: readonly Item[]) => Uint8Array;
  readonly sender: OwnSender;
  readonly report: ExportReport;
  readonly clock: Clock;
}

/** Gathers spans or log entries and sends them, one request at a time. What it cannot send it drops and counts. */
export class ExportQueue<Item> {
  readonly #options: ExportQueueOptions<Item>;
  readonly #abandon = new AbortController();
  #items: Item[] = [];
  #timer: Timer | undefined;
  #sending: Promise<void> | undefined;
  #isClosed = false;

  constructor(options: ExportQueueOptions<Item>) {
    this.#options = options;
  }

  /** Never throws and never waits. */
  add(item: Item): void {
    const { limits, clock, report } = this.#options;
    if (this.#isClosed || this.#items.length >= limits.maxItems) {
      report.dropped(1, this.#isClosed ? 'shutdown' : 'queue_full');
      return;
    }
    this.#items.push(item);
    if (this.#items.length >= limits.maxRequestItems) this.#flush();
    else this.#timer ??= clock.setTimeout(() => this.#flush(), limits.delayMs);
  }

  #flush(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    // After the caller: what it does is not to wait for encoding.
    this.#sending ??= Promise.resolve().then(() => this.#send());
  }

  async #send(): Promise<void> {
    while (this.#items.length > 0) {
      await this.#sendOne(this.#items.splice(0, this.#options.limits.maxRequestItems));
    }
    this.#sending = undefined;
  }

  async #sendOne(items: readonly Item[]): Promise<void> {
    const { encode, sender, sending, report, clock } = this.#options;
    const { signal } = this.#abandon;
    if (signal.aborted) return report.dropped(items.length, 'shutdown');
    try {
      report.sent(items.length, await deliver(sender, encode(items), sending, clock, signal));
    } catch (error) {
      report.failed(items.length, error, signal.aborted);
    }
  }

  /** Sends what is left; what is not taken when the deadline passes is dropped. */
  async close(deadline: AbortSignal): Promise<void> {
    this.#isClosed = true;
    const giveUp = (): void => this.#abandon.abort(new Error('the collector stops'));
    if (deadline.aborted) giveUp();
    deadline.addEventListener('abort', giveUp, { once: true });
    this.#flush();
    await this.#sending;
    deadline.removeEventListener('abort', giveUp);
    await this.#options.sender.close();
  }
}
