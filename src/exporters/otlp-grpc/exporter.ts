// SPDX-License-Identifier: Apache-2.0
import { encodeOtlp } from '../../codecs/otlp/encode.ts';
import type { Exporter, Settings } from '../../component/component.ts';
import type { Counter } from '../../component/telemetry.ts';
import { PermanentError } from '../../consumer/consumer.ts';
import type { Clock } from '../../internal/clock.ts';
import { splitBatch } from '../../pdata/merge.ts';
import type { ProfilesBatch } from '../../pdata/profiles-batch.ts';
import { type Delivery, type Quantity, quantityOf, shareOf } from '../helper/delivery.ts';
import { createDeliveringExporter } from '../helper/exporter-helper.ts';
import { sampleLabelFilter, toPyroscope } from '../helper/pyroscope-rules.ts';
import { processTimeSlots } from '../helper/time-slots.ts';
import type { Config } from './config.ts';
import { openProfilesClient, type ProfilesClient } from './grpc-client.ts';
import { partialSuccess } from './grpc-errors.ts';

/** One request of a delivery, encoded. */
interface Part {
  readonly bytes: Uint8Array;
  readonly samples: number;
  readonly profiles: number;
}

/** Sends profiles over OTLP/gRPC. */
export function createOtlpGrpcExporter(
  settings: Settings,
  config: Config,
  options: { clock?: Clock } = {},
): Exporter {
  const connection = new Connection(settings, config);
  const exporter = createDeliveringExporter(
    settings,
    {
      queue: config.sending_queue,
      retry: config.retry_on_failure,
      timeout: config.timeout,
      start: async () => {
        if (connection.isPyroscope)
          settings.logger.info('profiles are shaped for Pyroscope', { endpoint: config.endpoint });
        await connection.open(() => exporter.retryNow());
      },
      shutdown: () => connection.close(),
      ...options,
    },
    (batch) => new OtlpDelivery(connection, batch),
  );
  return exporter;
}

/** The client and what the deliveries of one exporter share. */
class Connection {
  readonly #settings: Settings;
  readonly #config: Config;
  readonly isPyroscope: boolean;
  readonly #rejected: Counter;
  readonly #droppedLabels: Counter;
  #client: ProfilesClient | undefined;

  constructor(settings: Settings, config: Config) {
    this.#settings = settings;
    this.#config = config;
    const { pyroscope_compatibility: mode, endpoint } = config;
    this.isPyroscope = mode === 'on' || (mode === 'auto' && /:4040\/?$/.test(endpoint));
    this.#rejected = settings.meter.counter(
      'exporter_rejected_profiles',
      'Number of profiles that the destination rejected while it took the rest of the request',
    );
    this.#droppedLabels = settings.meter.counter(
      'exporter_dropped_labels',
      'Number of attributes left out because of limits of the destination',
    );
  }

  async open(onReady: () => void): Promise<void> {
    this.#client = await openProfilesClient(this.#config, this.#settings.build, onReady);
  }

  close(): Promise<void> {
    this.#client?.close();
    return Promise.resolve();
  }

  /** Encoded requests of at most the configured size. */
  encode(batch: ProfilesBatch): Part[] {
    const { sample_labels, max_request_size_mib } = this.#config;
    let shaped = batch;
    if (this.isPyroscope) {
      const rules = { keepSampleAttribute: sampleLabelFilter(sample_labels), timeSlots: processTimeSlots };
      const { batch: allowed, report } = toPyroscope(batch, rules);
      shaped = allowed;
      if (report.droppedLabels > 0) this.#droppedLabels.add(report.droppedLabels);
    }
    return this.#parts(shaped, max_request_size_mib * 1024 * 1024);
  }

  #parts(batch: ProfilesBatch, maxBytes: number): Part[] {
    const { protocol_revision: revision, inline_references } = this.#config;
    const bytes = encodeOtlp(batch, { revision, inlineReferences: inline_references || this.isPyroscope });
    const samples = batch.sampleCount;
    if (maxBytes === 0 || bytes.length <= maxBytes || samples <= 1) {
      return [{ bytes, samples, profiles: [...batch.profiles()].length }];
    }
    // A part repeats what it shares with the others, so the parts are planned a little smaller.
    const count = Math.max(2, Math.ceil((bytes.length / maxBytes) * 1.2));
    return splitBatch(batch, Math.ceil(samples / count)).flatMap((part) => this.#parts(part, maxBytes));
  }

  async send(part: Part, signal: AbortSignal): Promise<void> {
    if (this.#client === undefined) throw new PermanentError('exporter is not started');
    const response = await this.#client.export(part.bytes, signal);
    const partial = partialSuccess(response);
    if (partial === undefined) return;
    if (partial.rejectedProfiles > 0) this.#rejected.add(partial.rejectedProfiles);
    this.#settings.logger.warn('partial success response', {
      message: partial.message,
      rejected_profiles: partial.rejectedProfiles,
      sent_profiles: part.profiles,
    });
  }
}

/** A batch as requests; what arrived is not sent again. */
class OtlpDelivery implements Delivery {
  readonly #connection: Connection;
  readonly #batch: ProfilesBatch;
  #open: Part[] | undefined;
  #refused: Part[] = [];
  #refusal: unknown;

  constructor(connection: Connection, batch: ProfilesBatch) {
    this.#connection = connection;
    this.#batch = batch;
  }

  async attempt(signal: AbortSignal): Promise<void> {
    this.#open ??= this.#encode();
    for (let part = this.#open[0]; part !== undefined; part = this.#open[0]) {
      try {
        await this.#connection.send(part, signal);
      } catch (error) {
        if (!(error instanceof PermanentError)) throw error;
        this.#refused.push(part);
        this.#refusal = error;
      }
      this.#open.shift();
    }
    if (this.#refused.length > 0) throw this.#refusal;
  }

  #encode(): Part[] {
    try {
      return this.#connection.encode(this.#batch);
    } catch (cause) {
      throw new PermanentError(`batch cannot be encoded: ${String(cause)}`, { cause });
    }
  }

  undelivered(): Quantity {
    if (this.#open === undefined) return quantityOf(this.#batch);
    const lost = [...this.#open, ...this.#refused].reduce((sum, part) => sum + part.samples, 0);
    return shareOf(quantityOf(this.#batch), lost);
  }
}
