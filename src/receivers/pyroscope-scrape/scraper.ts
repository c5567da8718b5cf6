// SPDX-License-Identifier: Apache-2.0
import { STATUS_CODES } from 'node:http';
import { decodePprof } from '../../codecs/pprof/decode.ts';
import { PprofDeferral } from '../../codecs/pprof/defer.ts';
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

/** A profile as a target gave it. */
export interface Scraped {
  /** pprof, gzipped or not. */
  readonly body: Uint8Array;
  /** Where it is only passed on: decoded when somebody looks into it. */
  readonly decoded: ProfilesBatch;
}

const SHOWN_ERROR_BYTES = 64 * 1024;
const SHOWN_ERROR_CHARACTERS = 200;

/** Asks targets for profiles. */
export class Scraper {
  readonly #client: ConfiguredClient;
  readonly #clock: Clock;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #maxBytes: number;
  readonly #deferral = new PprofDeferral();

  /** `maxBytes`: of a profile as it comes, and after decompression. */
  constructor(client: ConfiguredClient, clock: Clock, userAgent: string, maxBytes: number) {
    this.#client = client;
    this.#clock = clock;
    this.#headers = { 'user-agent': userAgent };
    this.#maxBytes = maxBytes;
  }

  /**
   * `hold` accounts for the profile from its first byte on; whoever calls releases it. Rejects with ScrapeError, or
   * with the signal's reason.
   */
  async scrape(job: ScrapeJob, signal: AbortSignal, hold: Hold): Promise<Scraped> {
    const body = await this.#fetch(job, signal, hold);
    try {
      const limits = { maxBytes: this.#maxBytes };
      const seen = job.computesDelta ? undefined : await this.#deferral.lookOver(body, this.#maxBytes);
      if (seen !== undefined) return { body, decoded: seen.batch };
      const inflated = await inflatePprof(body, limits);
      if (inflated !== body && !hold.grow(inflated.length)) throw noRoom();
      return {
        body,
        decoded: job.computesDelta ? decodePprof(inflated, limits) : this.#deferral.defer(body, inflated),
      };
    } catch (cause) {
      if (!(cause instanceof DecodeError)) throw cause;
      throw new ScrapeError('malformed', `invalid profile data: ${cause.message}`, { cause });
    }
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
