// SPDX-License-Identifier: Apache-2.0
import type { Logger } from '../../component/telemetry.ts';
import type { Clock } from '../../internal/clock.ts';
import type { Quantity } from './delivery.ts';

/** Repeats of one kind of message are held back for this long and told as a count. */
const REPEAT_AFTER_MS = 60_000;

/** One line per kind and minute, with what was held back summed up in it. */
class LimitedLine {
  readonly #clock: Clock;
  #lastMs = Number.NEGATIVE_INFINITY;
  #events = 0;
  #samples = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  add(samples: number, write: (sum: { repeated: number; samples: number }) => void): void {
    this.#events++;
    this.#samples += samples;
    if (this.#clock.elapsed() - this.#lastMs >= REPEAT_AFTER_MS) this.flush(write);
  }

  flush(write: (sum: { repeated: number; samples: number }) => void): void {
    if (this.#events === 0) return;
    const sum = { repeated: this.#events, samples: this.#samples };
    this.#lastMs = this.#clock.elapsed();
    this.#events = 0;
    this.#samples = 0;
    write(sum);
  }

  /** The next event is written at once again. */
  reset(): void {
    this.#lastMs = Number.NEGATIVE_INFINITY;
  }
}

/** Tells of outages, losses and refusals once, not once per batch. */
export class DeliveryLog {
  readonly #logger: Logger;
  readonly #clock: Clock;
  readonly #retries: LimitedLine;
  readonly #drops: LimitedLine;
  readonly #refusals: LimitedLine;
  #downSinceMs: number | undefined;
  #failedAttempts = 0;
  #lastDrop: unknown;

  constructor(logger: Logger, clock: Clock) {
    this.#logger = logger;
    this.#clock = clock;
    this.#retries = new LimitedLine(clock);
    this.#drops = new LimitedLine(clock);
    this.#refusals = new LimitedLine(clock);
  }

  retry(error: unknown, delayMs: number): void {
    this.#downSinceMs ??= this.#clock.elapsed();
    this.#failedAttempts++;
    this.#retries.add(0, ({ repeated }) =>
      this.#logger.warn('exporting failed, will retry', {
        error,
        interval_ms: Math.round(delayMs),
        failed_attempts: repeated,
      }),
    );
  }

  delivered(): void {
    if (this.#downSinceMs === undefined) return;
    this.#logger.info('exporting works again', {
      down_ms: Math.round(this.#clock.elapsed() - this.#downSinceMs),
      failed_attempts: this.#failedAttempts,
    });
    this.#downSinceMs = undefined;
    this.#failedAttempts = 0;
    this.#retries.reset();
  }

  dropped(error: unknown, lost: Quantity): void {
    this.#lastDrop = error;
    this.#drops.add(lost.samples, this.#writeDrops);
  }

  refused(error: unknown, refused: Quantity): void {
    this.#refusals.add(refused.samples, ({ repeated, samples }) =>
      this.#logger.warn('batch refused', { error, refused_batches: repeated, refused_samples: samples }),
    );
  }

  lostAtShutdown(lost: Quantity, batches: number): void {
    this.#logger.error('shut down before everything was sent', {
      dropped_batches: batches,
      dropped_samples: lost.samples,
      dropped_events: lost.events,
    });
  }

  /** Writes what is held back. */
  flush(): void {
    this.#drops.flush(this.#writeDrops);
  }

  readonly #writeDrops = ({ repeated, samples }: { repeated: number; samples: number }): void => {
    this.#logger.error('exporting failed, dropping data', {
      error: this.#lastDrop,
      dropped_batches: repeated,
      dropped_samples: samples,
    });
  };
}
