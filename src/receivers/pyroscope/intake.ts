// SPDX-License-Identifier: Apache-2.0
import { PprofDeferral } from '../../codecs/pprof/defer.ts';
import { batchOfSeries, rememberSeries } from '../../codecs/pyroscope/series.ts';
import type { Admission } from '../../component/admission.ts';
import type { Settings } from '../../component/component.ts';
import type { Counter, Logger } from '../../component/telemetry.ts';
import type { ProfilesConsumer, ReceivingConsumer } from '../../consumer/consumer.ts';
import { GrpcError } from '../../grpc/status.ts';
import { type Clock, systemClock } from '../../internal/clock.ts';
import { type Hold, InFlightBytes } from '../../internal/in-flight.ts';
import { mergeBatchesOffLoop } from '../../pdata/merge.ts';
import type { ProfilesBatch } from '../../pdata/profiles-batch.ts';
import type { LabelSet } from '../../relabel/relabel.ts';
import type { Config } from './config.ts';
import { ProfileReader } from './profile-reader.ts';
import { Refusal, type RefusalReason } from './refusal.ts';

export type Transport = 'grpc' | 'http';

/** How profiles of a request are written; `unknown` where it was refused before that was clear. */
export type Format = 'pprof' | 'jfr' | 'folded' | 'lines' | 'trie' | 'tree' | 'speedscope' | 'unknown';

/** One series of a request. */
export interface ReadSeries {
  readonly labels: LabelSet;
  readonly batch: ProfilesBatch;
  /** The pprof files that say all that `batch` says; none where it was made of something else. */
  readonly profiles?: readonly Uint8Array[];
}

/** A request that could be read. */
export interface ReadRequest {
  readonly format: Format;
  readonly series: readonly ReadSeries[];
  /** Why other series of it could not. */
  readonly refused?: readonly Refusal[];
  /** What of its profiles could not be kept, by name. */
  readonly losses?: Readonly<Record<string, number>>;
}

const BUSY_RETRY_AFTER_MS = 1_000;
/** What comes sooner after a line is summed up in the next one. */
const REPEAT_AFTER_MS = 60_000;

/** Takes no byte. */
const noRoom = (why: string): Hold => ({ bytes: 0, grow: () => false, release: () => undefined, why });

/** The way of a request from bytes to the pipeline, the same for all transports and formats. */
export class Intake {
  readonly #config: Config;
  readonly #next: ReceivingConsumer;
  readonly #nextOver = new Map<Transport, ProfilesConsumer>();
  readonly #logger: Logger;
  readonly #clock: Clock;
  readonly #accepted: Counter;
  readonly #refusedProfiles: Counter;
  readonly #refusedRequests: Counter;
  readonly #bytes: Counter;
  readonly #losses: Counter;
  readonly #inFlight: InFlightBytes;
  readonly #deferral = new PprofDeferral();
  #admissions: readonly Admission[] = [];
  #lastWarningMs = Number.NEGATIVE_INFINITY;
  #refusedSince = 0;

  constructor(settings: Settings, config: Config, next: ReceivingConsumer, clock: Clock = systemClock) {
    const { logger, meter } = settings;
    this.#config = config;
    this.#next = next;
    this.#logger = logger;
    this.#clock = clock;
    this.#inFlight = new InFlightBytes(config.max_in_flight_mib * 1024 * 1024);
    this.#accepted = meter.counter(
      'receiver_pyroscope_accepted_profiles',
      'Number of profiles (of one series and sample type) that the pipeline took.',
      ['transport', 'format'],
    );
    this.#refusedProfiles = meter.counter(
      'receiver_pyroscope_refused_profiles',
      'Number of series that were refused before the pipeline saw them; a request that cannot be read is one.',
      ['transport', 'format', 'reason'],
    );
    this.#refusedRequests = meter.counter(
      'receiver_refused_requests',
      'Number of requests that were refused before the pipeline saw them.',
      ['transport', 'reason'],
    );
    this.#bytes = meter.counter('receiver_pyroscope_received_bytes', 'Bytes of requests as they were sent.', [
      'transport',
      'format',
    ]);
    this.#losses = meter.counter(
      'receiver_pyroscope_losses',
      'Parts of profiles that were taken without them.',
      ['format', 'part'],
    );
    meter.observe(
      'gauge',
      'receiver_pyroscope_in_flight_bytes',
      'Bytes of requests that are read or wait for the pipeline.',
      [],
      () => [{ value: this.#inFlight.bytes }],
    );
  }

  /** From now on these are asked before a request is read. */
  askFirst(admissions: readonly Admission[]): void {
    this.#admissions = admissions;
    // Their counters are there from now on.
    for (const transport of ['grpc', 'http'] as const) this.#over(transport);
  }

  #over(transport: Transport): ProfilesConsumer {
    let next = this.#nextOver.get(transport);
    if (next === undefined)
      this.#nextOver.set(transport, (next = this.#next.over?.(transport) ?? this.#next));
    return next;
  }

  /** Where the bytes of a request are held; `grow` says no where there are too many, or an extension lets nothing in. */
  hold(): Hold {
    for (const admission of this.#admissions) {
      const refusal = admission.refuse();
      if (refusal !== undefined) return noRoom(refusal.message);
    }
    return this.#inFlight.open();
  }

  /** For a request whose bytes find no room, to be thrown. */
  busy(held: Hold): Refusal {
    const message = held.why ?? `${this.#inFlight.bytes} bytes of requests are in flight already`;
    return new Refusal('busy', message, { retryAfterMs: BUSY_RETRY_AFTER_MS });
  }

  /** Counts a request that was refused. */
  count(transport: Transport, format: Format, reason: RefusalReason): void {
    this.#refusedRequests.add(1, { transport, reason });
    this.#refusedProfiles.add(1, { transport, format, reason });
  }

  /** Bytes that came, of a request whose format is known. */
  received(transport: Transport, format: Format, bytes: number): void {
    this.#bytes.add(bytes, { transport, format });
  }

  /**
   * Reads a request and hands it on in one piece, so that nothing of it is taken twice when it comes again. Resolves
   * when the pipeline took it; rejects with GrpcError: a Refusal where it is not read, and counted. Series with a fault
   * are left out, unless no other is left.
   */
  async accept(
    transport: Transport,
    read: (reader: ProfileReader) => Promise<ReadRequest>,
    signal: AbortSignal,
    format: Format = 'unknown',
  ): Promise<void> {
    const hold = this.#inFlight.open();
    try {
      const request = await this.#read(transport, format, read, hold, signal);
      const batch = await this.#batchOf(request.series);
      if (batch.sampleCount > 0) await this.#over(transport).consumeProfiles(batch, signal);
      this.#accepted.add(batch.profileCount, { transport, format: request.format });
      // Only now: a request that the pipeline refuses comes again.
      this.#tellRefused(transport, request);
    } catch (error) {
      throw Refusal.from(error);
    } finally {
      hold.release();
    }
  }

  async #read(
    transport: Transport,
    format: Format,
    read: (reader: ProfileReader) => Promise<ReadRequest>,
    hold: Hold,
    signal: AbortSignal,
  ): Promise<ReadRequest> {
    const reader = new ProfileReader({
      maxBytes: this.#config.max_decompressed_mib * 1024 * 1024,
      maxSamples: this.#config.max_samples,
      hold,
      deferral: this.#deferral,
      busy: (held) => this.busy(held),
      signal,
    });
    try {
      const request = await read(reader);
      const [first] = request.refused ?? [];
      if (first !== undefined && request.series.length === 0) throw allRefused(request.refused ?? [], first);
      return request;
    } catch (error) {
      const refusal = Refusal.from(error);
      if (!(refusal instanceof Refusal)) {
        this.#logger.error('reading failed unexpectedly', { transport, error });
        throw new Refusal('malformed', 'the profile cannot be read', { cause: error });
      }
      this.count(transport, format, refusal.reason ?? 'malformed');
      throw refusal;
    }
  }

  async #batchOf(series: readonly ReadSeries[]): Promise<ProfilesBatch> {
    const options = { privateLabels: this.#config.private_labels };
    const batches = series.map(({ labels, batch }) => batchOfSeries(labels, batch, options));
    const [first] = batches;
    const merged = first !== undefined && batches.length === 1 ? first : await mergeBatchesOffLoop(batches);
    const raw = series.flatMap(({ labels, profiles }) =>
      profiles === undefined ? [] : [{ labels, profiles }],
    );
    if (raw.length === series.length) rememberSeries(merged, ...raw);
    return merged;
  }

  #tellRefused(transport: Transport, { format, refused = [], losses = {} }: ReadRequest): void {
    for (const [part, count] of Object.entries(losses))
      if (count > 0) this.#losses.add(count, { format, part });
    for (const { reason = 'malformed' } of refused)
      this.#refusedProfiles.add(1, { transport, format, reason });
    this.#refusedSince += refused.length;
    if (refused.length === 0 || this.#clock.now() - this.#lastWarningMs < REPEAT_AFTER_MS) return;
    this.#logger.warn('refused series of requests that were taken otherwise', {
      transport,
      reason: refused[0]?.message,
      series: this.#refusedSince,
    });
    this.#lastWarningMs = this.#clock.now();
    this.#refusedSince = 0;
  }
}

/** How many of them a client is told of. */
const TOLD = 5;

function allRefused(refused: readonly Refusal[], first: Refusal): GrpcError {
  const rest = refused.length > TOLD ? `; and ${refused.length - TOLD} more` : '';
  const message = refused
    .slice(0, TOLD)
    .map((refusal) => refusal.message)
    .join('; ');
  return new Refusal(first.reason ?? 'malformed', `${message}${rest}`, { cause: first });
}
