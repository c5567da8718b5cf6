// SPDX-License-Identifier: Apache-2.0
import { STATUS_CODES } from 'node:http';
import { decodePprof } from '../../codecs/pprof/decode.ts';
import { PprofDeferral } from '../../codecs/pprof/defer.ts';
import { type PprofDelta, pprofDelta } from '../../codecs/pprof/delta/delta.ts';
import { decodedTotals, fileDelta, type FileTotals } from '../../codecs/pprof/delta/file-delta.ts';
import { inflatePprof } from '../../codecs/pprof/read.ts';
import { CompressionError, decompress, isSupported } from '../../compression/compression.ts';
import type { ConfiguredClient } from '../../http-client/client.ts';
import { BodyError } from '../../http-client/transport.ts';
import type { Clock } from '../../internal/clock.ts';
import type { Hold } from '../../internal/in-flight.ts';
import { DecodeError } from '../../internal/wire-reader.ts';
import type { ProfilesBatch } from '../../pdata/profiles-batch.ts';
import { bodyFault } from './body-check.ts';
import type { ScrapeJob } from './plan.ts';

/** Why a scrape failed; few, for they are labels of metrics. */
type FailureReason =
  | 'timeout'
  | 'connection'
  | 'http_status'
  | 'too_large'
  | 'no_room'
  | 'invalid_body'
  | 'malformed';

/** A scrape that brought no profile. */
export class ScrapeError extends Error {
  override readonly name = 'ScrapeError';
  readonly reason: FailureReason;

  constructor(reason: FailureReason, message: string, options?: ErrorOptions) {
    super(message, options);
    this.reason = reason;
  }
}

/** What a target gave. */
export interface Scraped {
  readonly bodyBytes: number;
  /** Whether the profile has no samples. */
  readonly isEmpty: boolean;
  /** What is to be passed on; undefined where nothing is new. */
  readonly made:
    | {
        /** Where it can be: decoded when somebody looks into it. */
        readonly batch: ProfilesBatch;
        /** pprof that says the same, gzipped or not, where there is such a file. */
        readonly file: Uint8Array | undefined;
      }
    | undefined;
  /** Of a profile that was compared with the one before. */
  readonly delta?: { readonly outcome: PprofDelta['outcome']; readonly totals: FileTotals };
}

const SHOWN_ERROR_BYTES = 64 * 1024;
const SHOWN_ERROR_CHARACTERS = 200;

/** Asks targets for profiles. */
export class Scraper {
  readonly #client: ConfiguredClient;
  readonly #clock: Clock;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #maxBytes: number;
  readonly #first: 'skip' | 'send';
  readonly #deferral = new PprofDeferral();

  /**
   * `maxBytes`: of a profile as it comes, and after decompression. `first`: what becomes of totals that there is
   * nothing to compare with.
   */
  constructor(
    client: ConfiguredClient,
    clock: Clock,
    userAgent: string,
    { maxBytes, first }: { readonly maxBytes: number; readonly first: 'skip' | 'send' },
  ) {
    this.#client = client;
    this.#clock = clock;
    this.#headers = { 'user-agent': userAgent };
    this.#maxBytes = maxBytes;
    this.#first = first;
  }

  /**
   * `hold` accounts for the profile from its first byte on; whoever calls releases it. `last`: totals of the profile
   * before. Rejects with ScrapeError, or with the signal's reason.
   */
  async scrape(
    job: ScrapeJob,
    signal: AbortSignal,
    hold: Hold,
    last: FileTotals | undefined,
  ): Promise<Scraped> {
    const body = await this.#fetch(job, signal, hold);
    try {
      return job.computesDelta ? await this.#compared(body, last, hold) : await this.#whole(body, hold);
    } catch (cause) {
      if (!(cause instanceof DecodeError)) throw cause;
      throw new ScrapeError('malformed', `invalid profile data: ${cause.message}`, { cause });
    }
  }

  async #whole(body: Uint8Array, hold: Hold): Promise<Scraped> {
    const seen = await this.#deferral.lookOver(body, this.#maxBytes);
    return wholeOf(body, seen?.batch ?? this.#deferral.defer(body, await this.#inflated(body, hold)));
  }

  async #compared(body: Uint8Array, last: FileTotals | undefined, hold: Hold): Promise<Scraped> {
    const [maxBytes, first, deferral] = [this.#maxBytes, this.#first, this.#deferral];
    const bodyBytes = body.length;
    const ofFile = await fileDelta(body, last, { maxBytes, first, deferral });
    if (ofFile === 'no totals') return this.#whole(body, hold);
    if (ofFile !== undefined)
      return { bodyBytes, isEmpty: ofFile.wasEmpty, made: ofFile.made, delta: ofFile };
    const decoded = decodePprof(await this.#inflated(body, hold), { maxBytes });
    const delta = pprofDelta(decoded, decodedTotals(last), first);
    if (delta === undefined) return wholeOf(body, decoded);
    const { batch } = delta;
    const isNew = batch.sampleCount > 0;
    const isEmpty = decoded.sampleCount === 0;
    return { bodyBytes, isEmpty, made: isNew ? { batch, file: undefined } : undefined, delta };
  }

  async #inflated(body: Uint8Array, hold: Hold): Promise<Uint8Array> {
    const inflated = await inflatePprof(body, { maxBytes: this.#maxBytes });
    if (inflated !== body && !hold.grow(inflated.length)) throw noRoom();
    return inflated;
  }

  async #fetch(job: ScrapeJob, signal: AbortSignal, hold: Hold): Promise<Uint8Array> {
    const ending = new AbortController();
    const stop = (): void => ending.abort(signal.reason);
    const late = (): void =>
      ending.abort(new ScrapeError('timeout', `no profile within ${job.timeoutMs / 1000}s`));
    const timer = this.#clock.setTimeout(late, job.timeoutMs);
    signal.addEventListener('abort', stop, { once: true });
    try {
      signal.throwIfAborted();
      return await this.#request(job, ending.signal, hold);
    } catch (cause) {
      if (cause instanceof ScrapeError || signal.aborted) throw cause;
      if (cause instanceof BodyError && cause.reason === 'no_room') throw noRoom({ cause });
      const message = cause instanceof Error ? cause.message : String(cause);
      throw new ScrapeError(cause instanceof BodyError ? cause.reason : 'connection', message, { cause });
    } finally {
      timer.cancel();
      signal.removeEventListener('abort', stop);
    }
  }

  async #request({ url, kind }: ScrapeJob, signal: AbortSignal, hold: Hold): Promise<Uint8Array> {
    const answer = await this.#client.stream({ url, headers: this.#headers, signal });
    if (answer.status < 200 || answer.status > 299) {
      const text = await answer.read(SHOWN_ERROR_BYTES).then(
        (body) => body.toString('utf8').trim().slice(0, SHOWN_ERROR_CHARACTERS),
        () => '',
      );
      const { status } = answer;
      const shown = text === '' ? (STATUS_CODES[status] ?? '') : text;
      throw new ScrapeError('http_status', `server returned HTTP status (${status}) ${shown}`.trimEnd());
    }
    const body = await unpacked(
      await answer.read(this.#maxBytes, (bytes) => hold.grow(bytes)),
      answer.headers['content-encoding'],
      this.#maxBytes,
    );
    if (body.length === 0) throw new ScrapeError('invalid_body', `empty ${kind} profile`);
    const fault = bodyFault(body, answer.headers['content-type']);
    if (fault !== undefined) throw new ScrapeError('invalid_body', `invalid profile data: ${fault}`);
    return body;
  }
}

const wholeOf = (body: Uint8Array, batch: ProfilesBatch): Scraped => ({
  bodyBytes: body.length,
  isEmpty: batch.sampleCount === 0,
  made: batch.sampleCount === 0 ? undefined : { batch, file: body },
});

const noRoom = (options?: ErrorOptions): ScrapeError =>
  new ScrapeError('no_room', 'too much is being scraped at once; raise "max_in_flight_mib"', options);

/** Without the encoding that a server chose though nobody asked for it. */
async function unpacked(
  body: Uint8Array,
  encoding: string | undefined,
  maxBytes: number,
): Promise<Uint8Array> {
  const name = encoding?.trim().toLowerCase() ?? '';
  if (name === '' || name === 'identity' || body.length === 0) return body;
  try {
    if (isSupported(name)) return await decompress(name, body, { maxBytes });
  } catch (cause) {
    if (!(cause instanceof CompressionError)) throw cause;
    throw new ScrapeError('invalid_body', `invalid profile data: ${cause.message}`, { cause });
  }
  throw new ScrapeError('invalid_body', `unexpected Content-Encoding ${name}`);
}
