// SPDX-License-Identifier: Apache-2.0
import type { Counter, Meter } from '../../component/telemetry.ts';
import type { Quantity } from './delivery.ts';

/** What the gauges read when they are scraped. */
export interface QueueReading {
  readonly size: number;
  readonly capacity: number;
  readonly bytes: number;
  readonly inFlight: number;
  /** Since the oldest batch that is neither delivered nor given up was accepted. */
  readonly ageSeconds: number;
}

/**
 * The Collector's exporter metrics. Beside each counter of samples stands a twin that counts the sampled
 * events they stand for: a record with many timestamps is one sample.
 */
export class ExporterMetrics {
  readonly #sent: Twin;
  readonly #sendFailed: Twin;
  readonly #enqueueFailed: Twin;

  constructor(meter: Meter) {
    this.#sent = new Twin(meter, 'exporter_sent', 'successfully sent to the destination');
    this.#sendFailed = new Twin(meter, 'exporter_send_failed', 'lost in attempts to send them', [
      'error_type',
    ]);
    this.#enqueueFailed = new Twin(meter, 'exporter_enqueue_failed', 'refused by the sending queue');
  }

  sent(quantity: Quantity): void {
    this.#sent.add(quantity);
  }

  sendFailed(quantity: Quantity, errorType: string): void {
    this.#sendFailed.add(quantity, { error_type: errorType });
  }

  enqueueFailed(quantity: Quantity): void {
    this.#enqueueFailed.add(quantity);
  }
}

/** Registers the gauges; `withQueue` false leaves out those of the queue. */
export function observeQueue(meter: Meter, withQueue: boolean, read: () => QueueReading): void {
  const gauge = (name: string, help: string, value: (reading: QueueReading) => number): void =>
    meter.observe('gauge', name, help, ['data_type'], () => [
      { value: value(read()), labels: { data_type: 'profiles' } },
    ]);
  gauge('exporter_in_flight_requests', 'Batches being sent or waiting for a retry', (r) => r.inFlight);
  if (!withQueue) return;
  gauge('exporter_queue_size', 'Size of the sending queue in units of its sizer', (r) => r.size);
  gauge('exporter_queue_capacity', 'Capacity of the sending queue in units of its sizer', (r) => r.capacity);
  gauge(
    'exporter_queue_oldest_age_seconds',
    'Time since the oldest batch that is not delivered yet was accepted',
    (r) => r.ageSeconds,
  );
  gauge(
    'exporter_queue_memory_bytes',
    'Memory that the batches of the sending queue keep in use',
    (r) => r.bytes,
  );
}

class Twin {
  readonly #samples: Counter;
  readonly #events: Counter;

  constructor(meter: Meter, name: string, what: string, labelNames: readonly string[] = []) {
    this.#samples = meter.counter(`${name}_profile_samples`, `Number of profile samples ${what}`, labelNames);
    this.#events = meter.counter(`${name}_profile_events`, `Number of sampled events ${what}`, labelNames);
  }

  add(quantity: Quantity, labels?: Readonly<Record<string, string>>): void {
    if (quantity.samples > 0) this.#samples.add(quantity.samples, labels);
    if (quantity.events > 0) this.#events.add(quantity.events, labels);
  }
}
