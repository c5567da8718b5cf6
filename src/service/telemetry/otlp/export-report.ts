// SPDX-License-Identifier: Apache-2.0
import type { Counter, Logger, Meter } from '../../../component/telemetry.ts';
import type { OwnSignal, PartialSuccess } from './sender.ts';

/** Why own telemetry did not arrive. */
export type DropReason = 'queue_full' | 'send' | 'rejected' | 'shutdown';

/** Counts what one exporter of own telemetry does, and says in the log when that changes. */
export class ExportReport {
  readonly #signal: OwnSignal;
  readonly #endpoint: string;
  readonly #logger: Logger;
  readonly #sent: Counter;
  readonly #dropped: Counter;
  #fails = false;

  constructor(signal: OwnSignal, endpoint: string, logger: Logger, meter: Meter) {
    this.#signal = signal;
    this.#endpoint = endpoint;
    this.#logger = logger;
    this.#sent = meter.counter(
      'telemetry_sent_items',
      'Own data points, spans and log entries that were sent',
      ['otel_signal'],
    );
    this.#dropped = meter.counter(
      'telemetry_dropped_items',
      'Own data points, spans and log entries that could not be sent',
      ['otel_signal', 'reason'],
    );
    this.#sent.add(0, { otel_signal: signal });
  }

  sent(items: number, partial: PartialSuccess | undefined): void {
    const rejected = Math.min(items, partial?.rejected ?? 0);
    this.#sent.add(items - rejected, { otel_signal: this.#signal });
    if (partial !== undefined) {
      if (rejected > 0) this.dropped(rejected, 'rejected');
      const { message } = partial;
      this.#logger.warn('own telemetry was taken in part', { ...this.#fields(), rejected, message });
    }
    if (this.#fails) this.#logger.info('own telemetry is sent again', this.#fields());
    this.#fails = false;
  }

  /** Told once until something is sent again. */
  failed(items: number, error: unknown, isStopping: boolean): void {
    this.dropped(items, isStopping ? 'shutdown' : 'send');
    if (!this.#fails) this.#logger.warn('own telemetry cannot be sent', { ...this.#fields(), error });
    this.#fails = true;
  }

  dropped(items: number, reason: DropReason): void {
    this.#dropped.add(items, { otel_signal: this.#signal, reason });
  }

  #fields() {
    return { signal: this.#signal, endpoint: this.#endpoint };
  }
}
