// SPDX-License-Identifier: Apache-2.0
import { type Dispatcher, Pool, ProxyAgent } from 'undici';
import type { ClientAuthenticator } from '../../component/authenticator.ts';
import type { BuildInfo } from '../../component/component.ts';
import type { Logger } from '../../component/telemetry.ts';
import { type ClientTls, openClientTls } from '../../config/sections/tls-source.ts';
import type { TlsClientConfig } from '../../config/sections/tls.ts';
import { PermanentError, RetryableError } from '../../consumer/consumer.ts';
import { orAborted } from '../../internal/abort.ts';
import { proxyToken } from '../../internal/url-credentials.ts';
import { sendAuthorized } from './client-auth.ts';
import { TransportError } from './delivery.ts';

/** Of an answer, only its beginning is of interest. */
const MAX_ANSWER_BYTES = 64 * 1024;
/** Of an error's message, this much is told. */
const MAX_MESSAGE_LENGTH = 2_048;
/** Longer than any server keeps an idle connection. */
const NO_IDLE_TIMEOUT_MS = 24 * 3600 * 1000;

/** Source: https://github.com/open-telemetry/opentelemetry-proto/blob/main/docs/specification.md#failures-1 */
const RETRYABLE_STATUS: ReadonlySet<number> = new Set([429, 502, 503, 504]);

export interface HttpClientOptions {
  /** Where every request goes; the path counts for nothing. */
  readonly url: URL;
  readonly tls: TlsClientConfig;
  /** Told of certificates that are loaded again, or cannot be. */
  readonly logger?: Pick<Logger, 'info' | 'warn'>;
  /** Gives each request its credentials; a request that is refused with 401 may be sent once more. */
  readonly auth?: ClientAuthenticator | undefined;
  readonly proxyUrl?: string | undefined;
  /** Connections at one time; further requests wait for one. */
  readonly maxConnections: number;
  /** How long an unused connection stays open; 0: as long as the server lets it. */
  readonly idleTimeoutMs?: number;
  /** False: a new connection for each request. */
  readonly keepAlive?: boolean;
}

export interface HttpAnswer {
  readonly status: number;
  readonly contentType: string;
  readonly retryAfter: string | undefined;
  /** Where a redirect points to. */
  readonly location: string | undefined;
  /** At most 64 KiB of the body. */
  readonly body: Buffer;
}

/** Posts to one server. */
export interface HttpClient {
  /**
   * Resolves with any answer, redirects included; rejects with RetryableError where there is none. The
   * time of a request is limited by its signal alone.
   */
  post(
    path: string,
    headers: Readonly<Record<string, string>>,
    body: Uint8Array,
    signal: AbortSignal,
  ): Promise<HttpAnswer>;
  close(): Promise<void>;
}

/** Connects at the first request. Rejects where certificates cannot be read. */
export async function openHttpClient(options: HttpClientOptions): Promise<HttpClient> {
  const { origin, protocol } = options.url;
  const tls = protocol === 'https:' ? await openClientTls(options.tls, options.logger ?? SILENT) : plaintext;
  const dispatchers = new Dispatchers(options, tls);
  return {
    post: (path, headers, body, signal) =>
      sendAuthorized(
        options.auth,
        headers,
        signal,
        async (all) =>
          answerOf(
            await dispatchers.current(),
            { origin, path, method: 'POST', headers: all, body, signal },
            signal,
          ),
        (answer) => isAnswer(answer) && answer.status === 401,
      ),
    close: () => dispatchers.destroy(),
  };
}

const SILENT = { info: () => undefined, warn: () => undefined };
const plaintext = async (): Promise<undefined> => undefined;

/** Connections with the certificates of now. Those that were opened with others finish their requests. */
class Dispatchers {
  readonly #options: HttpClientOptions;
  readonly #tls: () => Promise<ClientTls | undefined>;
  readonly #open = new Set<Dispatcher>();
  #current: { readonly tls: ClientTls | undefined; readonly dispatcher: Dispatcher } | undefined;
  #isClosed = false;

  constructor(options: HttpClientOptions, tls: () => Promise<ClientTls | undefined>) {
    this.#options = options;
    this.#tls = tls;
  }

  async current(): Promise<Dispatcher> {
    const tls = await this.#tls();
    if (this.#isClosed) throw new RetryableError('the client is closed');
    if (this.#current !== undefined && this.#current.tls === tls) return this.#current.dispatcher;
    if (this.#current !== undefined) this.#retire(this.#current.dispatcher);
    const dispatcher = makeDispatcher(this.#options, tls);
    this.#open.add(dispatcher);
    this.#current = { tls, dispatcher };
    return dispatcher;
  }

  async destroy(): Promise<void> {
    this.#isClosed = true;
    await Promise.all([...this.#open].map((dispatcher) => dispatcher.destroy()));
  }

  #retire(dispatcher: Dispatcher): void {
    const forget = (): void => void this.#open.delete(dispatcher);
    // Closing fails only where it was destroyed meanwhile.
    dispatcher.close().then(forget, forget);
  }
}

function makeDispatcher(options: HttpClientOptions, connect: ClientTls | undefined): Dispatcher {
  const { url, proxyUrl, maxConnections, idleTimeoutMs, keepAlive = true } = options;
  const common = {
    headersTimeout: 0,
    bodyTimeout: 0,
    connections: maxConnections,
    ...(idleTimeoutMs !== undefined && { keepAliveTimeout: idleTimeoutMs || NO_IDLE_TIMEOUT_MS }),
    ...(!keepAlive && { pipelining: 0 }),
  };
  if (proxyUrl === undefined) return new Pool(url.origin, { ...common, ...(connect && { connect }) });
  // Many proxies open tunnels to port 443 only, so plain HTTP is forwarded, not tunnelled.
  const proxyTunnel = url.protocol === 'https:';
  return new ProxyAgent({
    ...common,
    uri: proxyUrl,
    proxyTunnel,
    ...proxyToken(proxyUrl),
    ...(connect && { requestTls: connect }),
  });
}

async function answerOf(
  dispatcher: Dispatcher,
  options: Dispatcher.RequestOptions,
  signal: AbortSignal,
): Promise<HttpAnswer> {
  try {
    // undici looks at the signal once there is a connection: 10 s later at the worst, behind a proxy 5 minutes.
    const { statusCode, headers, body } = await orAborted(dispatcher.request(options), signal);
    const chunks: Buffer[] = [];
    let size = 0;
    for await (const chunk of body as AsyncIterable<Buffer>) {
      chunks.push(chunk);
      size += chunk.length;
      if (size > MAX_ANSWER_BYTES) break;
    }
    const text = (name: string): string | undefined => {
      const value = headers[name];
      return typeof value === 'string' ? value : undefined;
    };
    return {
      status: statusCode,
      contentType: text('content-type')?.split(';', 1)[0]?.trim().toLowerCase() ?? '',
      retryAfter: text('retry-after'),
      location: text('location'),
      body: Buffer.concat(chunks).subarray(0, MAX_ANSWER_BYTES),
    };
  } catch (cause) {
    const reason = cause instanceof AggregateError ? cause.errors.map(String).join('; ') : String(cause);
    const message = `no answer from ${String(options.origin)}: ${reason}`;
    throw new RetryableError(message, { cause: new TransportError('Unavailable', message, { cause }) });
  }
}

/** Whether a value is an answer. */
export const isAnswer = (value: unknown): value is HttpAnswer =>
  typeof value === 'object' && value !== null && 'status' in value;

export function isSuccess({ status }: HttpAnswer): boolean {
  return status >= 200 && status < 300;
}

/**
 * An answer other than success as the error class that says whether and when to try again. `isRetryable`
 * stands in for OTLP's rule of which status may pass later.
 */
export function answerError(
  answer: HttpAnswer,
  detail: string,
  nowMs: number,
  isRetryable: (status: number) => boolean = (status) => RETRYABLE_STATUS.has(status),
): PermanentError | RetryableError {
  const { status, location, retryAfter } = answer;
  const redirect = location === undefined ? '' : ` (redirects are not followed; it points to "${location}")`;
  const message = `server answered ${status}: ${detail.trim().slice(0, MAX_MESSAGE_LENGTH) || 'no message'}${redirect}`;
  const cause = new TransportError(String(status), message);
  if (!isRetryable(status)) return new PermanentError(message, { cause });
  const retryAfterMs = retryAfterToMs(retryAfter, nowMs);
  return new RetryableError(message, { cause, ...(retryAfterMs !== undefined && { retryAfterMs }) });
}

/** Nobody is kept away for longer. */
const MAX_RETRY_AFTER_MS = 24 * 3600 * 1000;

/** Retry-After as seconds or as an HTTP date (RFC 9110 §10.2.3), from now in milliseconds. */
export function retryAfterToMs(value: string | undefined, nowMs: number): number | undefined {
  if (value === undefined) return undefined;
  const waitMs = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - nowMs;
  return Number.isNaN(waitMs) ? undefined : Math.min(MAX_RETRY_AFTER_MS, Math.max(0, waitMs));
}

/** `otelcol-profiles/1.0.0 (linux/x64)`. */
export function userAgent(build: BuildInfo): string {
  return `${build.command}/${build.version} (${process.platform}/${process.arch})`;
}
