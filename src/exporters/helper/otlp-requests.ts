// SPDX-License-Identifier: Apache-2.0
import * as z from 'zod';
import { encodeOtlpPieces, type EncodeOptions } from '../../codecs/otlp/encode.ts';
import type { Host, Settings } from '../../component/component.ts';
import type { Counter } from '../../component/telemetry.ts';
import { PermanentError } from '../../consumer/consumer.ts';
import { systemClock } from '../../internal/clock.ts';
import { splitBatch } from '../../pdata/split.ts';
import type { ProfilesBatch } from '../../pdata/profiles-batch.ts';
import { type Delivery, type Quantity, quantityOf, shareOf } from './delivery.ts';
import { createDeliveringExporter } from './exporter-helper.ts';
import type { HelpedExporter, HelperOptions } from './helper-options.ts';
import type { PartialSuccess } from './otlp-response.ts';
import { sampleLabelFilter, toPyroscope } from './pyroscope-rules.ts';
import { StopLimit } from './stop-limit.ts';
import { processTimeSlots } from './time-slots.ts';

/** Keys that say how a batch becomes requests, to spread into an exporter's `section({...})`. */
export const otlpRequestShape = (maxRequestSizeMib: number) => ({
  /** Numbering of the fields of Sample: "1.9" for Pyroscope before 1.20 and Collectors before 0.148. */
  protocol_revision: z.enum(['1.10', '1.9']).default('1.10'),
  /** Write strings in place of references into the string table, which few receivers resolve. */
  inline_references: z.boolean().default(true),
  /** Requests larger than this, before compression, are split. 0: no limit. */
  max_request_size_mib: z.number().min(0).max(2047).default(maxRequestSizeMib),
  /** Shape profiles as Pyroscope accepts them. "auto": when the endpoint's port is 4040. */
  pyroscope_compatibility: z.enum(['auto', 'on', 'off']).default('auto'),
  /** With Pyroscope: sample attributes that become labels. Unset: all but thread.id and cpu.logical_number. */
  sample_labels: z.array(z.string().min(1)).optional(),
});

interface OtlpRequestConfig {
  readonly protocol_revision: '1.10' | '1.9';
  readonly inline_references: boolean;
  readonly max_request_size_mib: number;
  readonly pyroscope_compatibility: 'auto' | 'on' | 'off';
  readonly sample_labels?: readonly string[] | undefined;
}

/** What carries encoded requests, in pieces, to a receiver. */
export interface OtlpTransport {
  /** Makes out of an encoded request what `send` takes, once for all attempts; absent: it takes the request itself. */
  prepare?(request: readonly Uint8Array[]): Promise<readonly Uint8Array[]>;
  /** Resolves with what the receiver has to say; rejects with PermanentError or RetryableError. */
  send(request: readonly Uint8Array[], signal: AbortSignal): Promise<PartialSuccess | undefined>;
  close(): Promise<void>;
}

type Encode = (batch: ProfilesBatch, options: EncodeOptions) => readonly Uint8Array[];

export interface OtlpExporterOptions extends Omit<HelperOptions, 'start' | 'shutdown'> {
  readonly requests: OtlpRequestConfig;
  /** For the log, and for "auto" in `pyroscope_compatibility`. */
  readonly endpoint: string;
  /** `encodeOtlpPieces` where absent. */
  readonly encode?: Encode;
  /** Connects; `onReady` is to be called when the receiver can be reached again. */
  open(onReady: () => void, host: Host): Promise<OtlpTransport>;
}

/**
 * An exporter of OTLP requests: a batch is shaped for its receiver, encoded, split where it is too large,
 * and sent part by part; what arrived is not sent again.
 */
export function createOtlpExporter(settings: Settings, options: OtlpExporterOptions): HelpedExporter {
  const { requests, endpoint, encode, open, ...helper } = options;
  const encoder = new RequestEncoder(settings, requests, endpoint, encode ?? encodeOtlpPieces);
  const stopLimit = new StopLimit(helper.clock ?? systemClock);
  const outlet = new Outlet(settings, () => stopLimit.succeeded());
  const exporter = createDeliveringExporter(
    settings,
    {
      ...helper,
      stopLimit,

      start: async (host) => {
        if (encoder.isPyroscope) settings.logger.info('profiles are shaped for Pyroscope', { endpoint });
        outlet.transport = await open(() => exporter.retryNow(), host);
      },
      shutdown: async () => outlet.transport?.close(),
    },
    (batch) => new OtlpDelivery(encoder, outlet, batch),
  );
  return exporter;
}

/** One request of a delivery. */
interface Part {
  /** Encoded; from the first attempt on as the transport prepared it. */
  pieces: readonly Uint8Array[];
  isPrepared: boolean;
  readonly samples: number;
  readonly profiles: number;
}

/** Batches as requests of at most the configured size. */
class RequestEncoder {
  readonly #config: OtlpRequestConfig;
  readonly #encode: Encode;
  readonly #droppedLabels: Counter;
  readonly isPyroscope: boolean;

  constructor(settings: Settings, config: OtlpRequestConfig, endpoint: string, encode: Encode) {
    this.#config = config;
    this.#encode = encode;
    const { pyroscope_compatibility: mode } = config;
    this.isPyroscope = mode === 'on' || (mode === 'auto' && /:4040(?:\/|$)/.test(endpoint));
    this.#droppedLabels = settings.meter.counter(
      'exporter_dropped_labels',
      'Number of attributes left out because of limits of the destination',
    );
  }

  /** Throws PermanentError where the batch cannot be encoded. */
  encode(batch: ProfilesBatch): Part[] {
    try {
      return this.#parts(this.isPyroscope ? this.#shape(batch) : batch);
    } catch (cause) {
      throw new PermanentError(`batch cannot be encoded: ${String(cause)}`, { cause });
    }
  }

  #shape(batch: ProfilesBatch): ProfilesBatch {
    const keepSampleAttribute = sampleLabelFilter(this.#config.sample_labels);
    const { batch: shaped, report } = toPyroscope(batch, {
      keepSampleAttribute,
      timeSlots: processTimeSlots,
    });
    if (report.droppedLabels > 0) this.#droppedLabels.add(report.droppedLabels);
    return shaped;
  }

  #parts(batch: ProfilesBatch): Part[] {
    const { protocol_revision: revision, inline_references, max_request_size_mib } = this.#config;
    const maxBytes = max_request_size_mib * 1024 * 1024;
    const inlineReferences = inline_references || this.isPyroscope;
    const pieces = this.#encode(batch, { revision, inlineReferences });
    const sizeBytes = pieces.reduce((sum, piece) => sum + piece.length, 0);
    const samples = batch.sampleCount;
    if (maxBytes === 0 || sizeBytes <= maxBytes || samples <= 1) {
      return [{ pieces, isPrepared: false, samples, profiles: batch.profileCount }];
    }
    // A part repeats what it shares with the others, so the parts are planned a little smaller.
    const count = Math.max(2, Math.ceil((sizeBytes / maxBytes) * 1.2));
    return splitBatch(batch, Math.ceil(samples / count)).flatMap((part) => this.#parts(part));
  }
}

/** Where the parts of all deliveries leave, once the exporter is started. */
class Outlet {
  readonly #settings: Settings;
  readonly #rejected: Counter;
  readonly #succeeded: () => void;
  transport: OtlpTransport | undefined;

  /** `succeeded` is told of every request that was taken. */
  constructor(settings: Settings, succeeded: () => void) {
    this.#settings = settings;
    this.#succeeded = succeeded;
    this.#rejected = settings.meter.counter(
      'exporter_rejected_profiles',
      'Number of profiles that the destination rejected while it took the rest of the request',
    );
  }

  async send(part: Part, signal: AbortSignal): Promise<void> {
    const { transport } = this;
    if (transport === undefined) throw new PermanentError('exporter is not started');
    if (!part.isPrepared && transport.prepare !== undefined) {
      part.pieces = await transport.prepare(part.pieces);
      part.isPrepared = true;
    }
    const partial = await transport.send(part.pieces, signal);
    this.#succeeded();
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
  readonly #encoder: RequestEncoder;
  readonly #outlet: Outlet;
  readonly #batch: ProfilesBatch;
  #open: Part[] | undefined;
  #refused: Part[] = [];
  #refusal: unknown;

  constructor(encoder: RequestEncoder, outlet: Outlet, batch: ProfilesBatch) {
    this.#encoder = encoder;
    this.#outlet = outlet;
    this.#batch = batch;
  }

  async attempt(signal: AbortSignal): Promise<void> {
    this.#open ??= this.#encoder.encode(this.#batch);
    for (let part = this.#open[0]; part !== undefined; part = this.#open[0]) {
      try {
        await this.#outlet.send(part, signal);
      } catch (error) {
        if (!(error instanceof PermanentError)) throw error;
        this.#refused.push(part);
        this.#refusal = error;
      }
      this.#open.shift();
    }
    if (this.#refused.length > 0) throw this.#refusal;
  }

  undelivered(): Quantity {
    if (this.#open === undefined) return quantityOf(this.#batch);
    const lost = [...this.#open, ...this.#refused].reduce((sum, part) => sum + part.samples, 0);
    return shareOf(quantityOf(this.#batch), lost);
  }
}
