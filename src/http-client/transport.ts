// SPDX-License-Identifier: Apache-2.0
import { Socket } from 'node:net';
import { Agent, buildConnector, type Dispatcher, errors, ProxyAgent } from 'undici';
import type { Logger } from '../component/telemetry.ts';
import { type TlsClientConfig, tlsClientSchema } from '../config/sections/tls.ts';
import { type ClientTls, openClientTls } from '../config/sections/tls-source.ts';
import { orAborted } from '../internal/abort.ts';
import { type Clock, systemClock } from '../internal/clock.ts';
import { proxyToken } from '../internal/url-credentials.ts';
import { Connections } from './connections.ts';

/** As long as Prometheus keeps an unused connection. */
const IDLE_TIMEOUT_MS = 5 * 60_000;
/** Servers of HTTP/2 whose connections are kept; of more the first that was asked makes room. */
const MAX_DISPATCHERS = 1_000;

/** How requests travel. */
export interface TransportOptions {
  /** Told of certificates that are loaded again, or cannot be. */
  readonly logger: Pick<Logger, 'info' | 'warn'>;
  /** Without it a server is proven by the host's authorities. */
  readonly tls?: TlsClientConfig | undefined;
  /** The proxy towards a URL, if any. */
  readonly proxyFor?: (url: URL) => string | undefined;
  /** Sent with CONNECT, and with nothing else. */
  readonly proxyConnectHeaders?: Readonly<Record<string, string[]>>;
  /** HTTP/2 where a server over TLS offers it. */
  readonly http2?: boolean;
  /** Every request goes to this socket of the file system, whatever host its URL names. */
  readonly socketPath?: string | undefined;
  /** Connections to one server at a time; unset: no limit. */
  readonly maxConnections?: number;
  /** How long an unused connection stays open, in milliseconds; default 5 minutes. */
  readonly idleTimeoutMs?: number;
  readonly clock?: Clock;
}

/** A request as it goes over the wire. */
export interface TransportRequest {
  readonly url: URL;
  readonly method?: Dispatcher.HttpMethod;
  readonly headers?: Readonly<Record<string, string | string[]>>;
  readonly body?: Uint8Array | string;
  /** Limits the time of all of it. */
  readonly signal: AbortSignal;
}

/** An answer whose body is still to come. It must be read to its end, or cancelled by the request's signal. */
export interface StreamedAnswer {
  readonly status: number;
  /** Names in lower case; of a header that came more than once the values with ", " between. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: AsyncIterable<Buffer>;
  /**
   * Reads the body; rejects with BodyError where it is larger. `grow` is asked for room before each piece of it is
   * kept; where it says no, the rest is not read, and BodyError says `no_room`.
   */
  read(maxBytes: number, grow?: (bytes: number) => boolean): Promise<Buffer>;
  /** Drops what has not been read. */
  discard(): void;
}

/** A body that was not read to its end. */
export class BodyError extends Error {
  override readonly name = 'BodyError';
  readonly reason: 'too_large' | 'no_room';

  constructor(reason: 'too_large' | 'no_room', message: string) {
    super(message);
    this.reason = reason;
  }
}

interface ConnectionKey {
  readonly text: string;
  readonly proxy: string | undefined;
  readonly perOrigin: boolean;
}

/** Sends requests over connections that it keeps, with the certificates of now. */
export class Transport {
  readonly #options: TransportOptions;
  readonly #open = new Set<Dispatcher>();
  /** Sockets that are not connected yet: undici leaves them alone for 10 s, and the process stays as long. */
  readonly #connecting = new Set<Socket>();
  /** By what requests have in common that share connections. */
  readonly #current = new Map<string, { readonly tls: ClientTls | undefined; readonly made: Dispatcher }>();
  #tls: (() => Promise<ClientTls>) | undefined;
  #openingTls: Promise<() => Promise<ClientTls>> | undefined;
  #isClosed = false;

  private constructor(options: TransportOptions) {
    this.#options = options;
  }

  /** Connects at the first request. Rejects where certificates that are configured cannot be loaded. */
  static async open(options: TransportOptions): Promise<Transport> {
    const transport = new Transport(options);
    if (options.tls !== undefined) transport.#tls = await transport.#openTls(options.tls);
    return transport;
  }

  /** Resolves with any answer; rejects with the signal's reason, or an Error that names the server. */
  async send(request: TransportRequest): Promise<StreamedAnswer> {
    const { url, signal } = request;
    const key = this.#keyOf(url);
    try {
      const answer = await this.#ask(request, key).catch((cause: unknown) => {
        if (signal.aborted || !isRepeatable(request) || !wasKept(cause)) throw cause;
        return this.#ask(request, key);
      });
      return streamedAnswer(answer, this.#nameOf(url), signal);
    } catch (cause) {
      // A connection of HTTP/2 outlives a request that is given up, and may be dead for many minutes.
      if (signal.aborted && key.perOrigin) this.#forget(key.text);
      throw failure(this.#nameOf(url), signal, cause);
    }
  }

  async #ask(request: TransportRequest, key: ConnectionKey): Promise<Dispatcher.ResponseData> {
    const { url, method = 'GET', headers = {}, body, signal } = request;
    const dispatcher = await this.#dispatcher(url, key);
    const asked = dispatcher.request({
      origin: url.origin,
      path: `${url.pathname}${url.search}`,
      method,
      headers: { ...headers },
      ...(body !== undefined && { body }),
      signal,
    });
    // undici looks at the signal once there is a connection: 10 s later at the worst, behind a proxy 5 minutes.
    return orAborted(asked, signal);
  }

  /** Ends all connections; what is under way fails. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all([...this.#open].map((dispatcher) => dispatcher.destroy()));
    for (const socket of this.#connecting) socket.destroy();
    this.#connecting.clear();
  }

  /** Connections are shared by requests that travel alike; those of HTTP/2 belong to one server. */
  #keyOf(url: URL): ConnectionKey {
    const proxy = this.#options.socketPath === undefined ? this.#options.proxyFor?.(url) : undefined;
    const perOrigin = url.protocol === 'https:' && this.#options.http2 === true;
    return { text: `${perOrigin ? url.origin : url.protocol} ${proxy ?? ''}`, proxy, perOrigin };
  }

  async #dispatcher(url: URL, { text, proxy }: ConnectionKey): Promise<Dispatcher> {
    const isSecure = url.protocol === 'https:';
    const isSecureProxy = proxy !== undefined && /^https:/i.test(proxy);
    const tls = isSecure || isSecureProxy ? await this.#tlsOfNow() : undefined;
    if (this.#isClosed) throw new Error('the client is closed');
    const current = this.#current.get(text);
    if (current !== undefined && current.tls === tls) return current.made;
    this.#forget(text);
    const [oldest] = this.#current.keys();
    if (this.#current.size >= MAX_DISPATCHERS && oldest !== undefined) this.#forget(oldest);
    const made = this.#make(isSecure, proxy, tls);
    this.#open.add(made);
    this.#current.set(text, { tls, made });
    return made;
  }

  /** What is under way goes on; the next request opens new connections. */
  #forget(key: string): void {
    const current = this.#current.get(key);
    if (current === undefined) return;
    this.#current.delete(key);
    const forget = (): void => void this.#open.delete(current.made);
    // Closing fails only where it was destroyed meanwhile.
    current.made.close().then(forget, forget);
  }

  /** Without what may be a secret: user, query. */
  #nameOf({ origin, pathname }: URL): string {
    const { socketPath } = this.#options;
    return socketPath === undefined ? `${origin}${pathname}` : `unix:${socketPath} ${pathname}`;
  }

  #make(isSecure: boolean, proxy: string | undefined, tls: ClientTls | undefined): Dispatcher {
    const { http2 = false, socketPath, maxConnections, idleTimeoutMs = IDLE_TIMEOUT_MS } = this.#options;
    const allowH2 = http2 && isSecure;
    const common = {
      headersTimeout: 0,
      bodyTimeout: 0,
      keepAliveTimeout: idleTimeoutMs,
      allowH2,
      ...(maxConnections !== undefined && { connections: maxConnections }),
    };
    if (proxy === undefined) {
      const connect = this.#connector({
        ...(tls && { ...tls, allowH2 }),
        ...(socketPath !== undefined && { socketPath }),
      });
      if (maxConnections !== undefined || allowH2) return new Agent({ ...common, connect });
      const own = { ...common, connect };
      return new Agent({ ...common, factory: (origin) => new Connections(origin, own) });
    }
    // Many proxies open tunnels to port 443 only, so plain HTTP is forwarded, not tunnelled.
    return new ProxyAgent({
      ...common,
      uri: proxy,
      proxyTunnel: isSecure,
      ...proxyToken(proxy),
      ...(tls && {
        requestTls: { ...tls, allowH2 },
        proxyTls: { secureContext: tls.secureContext, rejectUnauthorized: tls.rejectUnauthorized },
      }),
      ...(isSecure && { headers: { ...this.#options.proxyConnectHeaders } }),
    });
  }

  #connector(options: buildConnector.BuildOptions): buildConnector.connector {
    const connect = buildConnector(options);
    return (to, tell) => {
      // It gives the socket back, though its type does not say so.
      const socket: unknown = connect(to, (...outcome) => {
        if (socket instanceof Socket) this.#connecting.delete(socket);
        tell(...outcome);
      });
      if (socket instanceof Socket) this.#connecting.add(socket);
    };
  }

  async #tlsOfNow(): Promise<ClientTls> {
    if (this.#tls === undefined) {
      this.#openingTls ??= this.#openTls(tlsClientSchema.parse({})).finally(
        () => (this.#openingTls = undefined),
      );
      this.#tls = await this.#openingTls;
    }
    return this.#tls();
  }

  #openTls(config: TlsClientConfig): Promise<() => Promise<ClientTls>> {
    return openClientTls(config, this.#options.logger, this.#options.clock ?? systemClock);
  }
}

function streamedAnswer(
  { statusCode, headers, body }: Dispatcher.ResponseData,
  name: string,
  signal: AbortSignal,
): StreamedAnswer {
  const discard = (): void => {
    body.on('error', () => undefined).destroy();
  };
  return {
    status: statusCode,
    headers: Object.fromEntries(
      Object.entries(headers).map(([name, value]) => [
        name.toLowerCase(),
        Array.isArray(value) ? value.join(', ') : (value ?? ''),
      ]),
    ),
    body: body as AsyncIterable<Buffer>,
    discard,
    async read(maxBytes, grow = () => true) {
      const refuse = (reason: BodyError['reason'], why: string): BodyError => {
        discard();
        return new BodyError(reason, `${name}: ${why}`);
      };
      const tooLarge = `the answer is larger than ${maxBytes} bytes`;
      if (Number(headers['content-length'] ?? 0) > maxBytes) throw refuse('too_large', tooLarge);
      const chunks: Buffer[] = [];
      let size = 0;
      let hasRoom = true;
      try {
        for await (const chunk of body as AsyncIterable<Buffer>) {
          size += chunk.length;
          if (size > maxBytes || !(hasRoom = grow(chunk.length))) break;
          chunks.push(chunk);
        }
      } catch (cause) {
        throw failure(name, signal, cause);
      }
      if (size > maxBytes) throw refuse('too_large', tooLarge);
      if (!hasRoom) throw refuse('no_room', 'no room for the answer');
      return Buffer.concat(chunks);
    },
  };
}

const isRepeatable = ({ method = 'GET', body }: TransportRequest): boolean =>
  body === undefined && (method === 'GET' || method === 'HEAD');

/**
 * Whether a connection ended that had served before: a server may close it while a request is on the way, which then
 * never saw it. Go's client asks again as well. A reset does not say what was before it.
 */
function wasKept(cause: unknown): boolean {
  if (cause instanceof errors.SocketError) return (cause.socket?.bytesRead ?? 0) > 0;
  const { code, syscall }: NodeJS.ErrnoException = cause instanceof Error ? cause : new Error();
  return (code === 'ECONNRESET' || code === 'EPIPE') && (syscall === 'read' || syscall === 'write');
}

function failure(name: string, signal: AbortSignal, cause: unknown): unknown {
  if (signal.aborted) return signal.reason;
  const why = cause instanceof AggregateError ? cause.errors.map(messageOf).join('; ') : messageOf(cause);
  return new Error(`no answer from ${name}: ${why}`, { cause });
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
