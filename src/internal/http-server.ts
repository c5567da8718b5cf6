// SPDX-License-Identifier: Apache-2.0
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { Socket } from 'node:net';
import type { Readable } from 'node:stream';
import { Server as TlsServer, type TlsOptions } from 'node:tls';
import type { Timer } from './clock.ts';
import { ConnectionRoom, type RoomEnd, type SeatedConnection, seatConnections } from './connection-room.ts';
import { deferred } from './deferred.ts';
import { formatHostPort, type ListeningAt, type ListenTransport } from './endpoint.ts';
import { divertHttp2 } from './http2-preface.ts';
import { listenAt } from './listen.ts';

/** An answer other than success; the message is sent to the client as plain text. */
export class HttpError extends Error {
  override readonly name = 'HttpError';
  readonly status: number;

  constructor(status: number, message: string, options?: ErrorOptions) {
    super(message, options);
    this.status = status;
  }
}

/**
 * Answers one request. `signal` aborts when the client has gone or the server ends the connection.
 * A thrown HttpError becomes its status, anything else 500 without details and a call of `onError`.
 */
export type HttpHandler = (
  request: IncomingMessage,
  response: ServerResponse,
  signal: AbortSignal,
) => Promise<void> | void;

export interface HttpServerOptions {
  /** `host:port`, `[ipv6]:port` or `:port`, port 0 lets the system choose; a path where `transport` is `unix`. */
  readonly endpoint: string;
  /** `tcp` where absent. */
  readonly transport?: ListenTransport;
  /** Serves https with these. */
  readonly tls?: TlsOptions | undefined;
  /** Hands over new ones for connections to come; those that are open stay. */
  readonly watchTls?: ((apply: (tls: TlsOptions) => void) => Timer) | undefined;
  /** Request line and headers together; beyond: 431. */
  readonly maxHeaderBytes?: number;
  /** A client that does not finish its request (headers and body) in this time is cut off with 408. */
  readonly requestTimeoutMs?: number;
  /** For the headers alone; `requestTimeoutMs` where absent or longer. */
  readonly headersTimeoutMs?: number;
  readonly keepAliveTimeoutMs?: number;
  /** Where one more comes, an idle one makes room; while all are busy those beyond are closed at once. */
  readonly maxConnections?: number;
  /** In place of `maxConnections`: shared with other servers. */
  readonly room?: ConnectionRoom | undefined;
  /** Told of connections closed for want of room. */
  readonly onConnectionEnd?: ((reason: RoomEnd) => void) | undefined;
  /** Takes connections that begin as HTTP/2, over TLS where the client chose it; without it they are refused. */
  readonly http2?: Http2Taker | undefined;
  /** What a handler threw beside HttpError, after the client got its 500. */
  readonly onError?: (error: unknown, request: IncomingMessage) => void;
}

/** Who speaks HTTP/2 on the port of this server. */
interface Http2Taker {
  take(socket: Socket, seated: SeatedConnection | undefined): void;
  /** Takes no new requests and ends connections when those that run have ended. */
  drain(): void;
  /** Ends all connections. */
  cut(): void;
}

export interface HttpServer {
  /** Where it listens; the port is the real one. */
  readonly endpoint: ListeningAt;
  /** `http://host:port`, fit for clients on this machine; `unix:path` of a socket in the file system. */
  readonly url: string;
  /**
   * Takes no new connection, ends idle ones, lets running requests finish until `deadline` aborts and
   * cuts them then. May be called more than once.
   */
  close(deadline: AbortSignal): Promise<void>;
}

const ALPN = ['h2', 'http/1.1'];
const DEFAULT_MAX_HEADER_BYTES = 16 * 1024;
const DEFAULT_REQUEST_TIMEOUT_MS = 30_000;
const DEFAULT_KEEP_ALIVE_TIMEOUT_MS = 60_000;
const DEFAULT_MAX_CONNECTIONS = 1_024;

/** Listens; resolves when connections are accepted. Rejects with the endpoint in the message. */
export async function listenHttp(options: HttpServerOptions, handler: HttpHandler): Promise<HttpServer> {
  const requestTimeout = options.requestTimeoutMs ?? DEFAULT_REQUEST_TIMEOUT_MS;
  const headersTimeout = options.headersTimeoutMs ?? requestTimeout;
  const settings = {
    maxHeaderSize: options.maxHeaderBytes ?? DEFAULT_MAX_HEADER_BYTES,
    requestTimeout,
    // Node refuses a longer time for a part than for the whole; 0 is no limit.
    headersTimeout: requestTimeout === 0 ? headersTimeout : Math.min(headersTimeout, requestTimeout),
    keepAliveTimeout: options.keepAliveTimeoutMs ?? DEFAULT_KEEP_ALIVE_TIMEOUT_MS,
    connectionsCheckingInterval: 1_000,
  };
  let closing = false;
  const running = new Set<ServerResponse>();
  const onRequest = (request: IncomingMessage, response: ServerResponse): void => {
    running.add(response);
    if (closing) response.shouldKeepAlive = false;
    const seat = connectionOf(request.socket)?.seat;
    seat?.busy();
    response.once('close', () => {
      seat?.idle();
      running.delete(response);
      if (closing) setImmediate(() => server.closeIdleConnections());
    });
    void answer(request, response, handler, options.onError);
  };
  const server =
    options.tls === undefined
      ? createServer(settings, onRequest)
      : createTlsServer(
          { ...settings, ...options.tls, ...(options.http2 && { ALPNProtocols: ALPN }) },
          onRequest,
        );
  // A refusal that needs no body comes in place of "100 Continue", which asks for the body.
  server.on('checkContinue', (request, response) => {
    request.once('resume', () => {
      if (!response.headersSent) response.writeContinue();
    });
    onRequest(request, response);
  });
  const room = options.room ?? new ConnectionRoom(options.maxConnections ?? DEFAULT_MAX_CONNECTIONS);
  const connectionOf = seatConnections(server, room, (reason) => options.onConnectionEnd?.(reason));
  // Those in a TLS handshake are not yet among the server's connections.
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  const { http2 } = options;
  const undecided =
    http2 &&
    divertHttp2(server, settings.headersTimeout, (socket) => http2.take(socket, connectionOf(socket)));
  const endpoint = await listenAt(server, options.endpoint, options.transport);
  const watch =
    server instanceof TlsServer ? options.watchTls?.((tls) => server.setSecureContext(tls)) : undefined;

  let closed: Promise<void> | undefined;
  const close = (deadline: AbortSignal): Promise<void> => {
    closing = true;
    watch?.cancel();
    for (const response of running) response.shouldKeepAlive = false;
    closed ??= new Promise((resolve) => server.close(() => resolve()));
    server.closeIdleConnections();
    undecided?.close();
    http2?.drain();
    return endBy(closed, deadline, () => {
      http2?.cut();
      for (const socket of sockets) socket.destroy();
    });
  };
  return { endpoint, url: urlOf(endpoint, options.tls === undefined ? 'http' : 'https'), close };
}

function urlOf({ host, port, path }: ListeningAt, scheme: string): string {
  if (path !== undefined) return `unix:${path}`;
  const isEverywhere = host === '' || host === '::' || host === '0.0.0.0';
  return `${scheme}://${formatHostPort({ host: isEverywhere ? 'localhost' : host, port })}`;
}

async function endBy(closed: Promise<void>, deadline: AbortSignal, cut: () => void): Promise<void> {
  if (deadline.aborted) cut();
  else deadline.addEventListener('abort', cut, { once: true });
  await closed;
  deadline.removeEventListener('abort', cut);
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  handler: HttpHandler,
  onError: HttpServerOptions['onError'],
): Promise<void> {
  const gone = new AbortController();
  response.once('close', () => {
    if (!response.writableFinished) gone.abort(new Error('client closed the connection'));
  });
  try {
    await handler(request, response, gone.signal);
    if (!response.writableEnded && !response.headersSent) response.writeHead(204).end();
  } catch (error) {
    const known = error instanceof HttpError;
    if (!known && !gone.signal.aborted) onError?.(error, request);
    if (response.headersSent) {
      response.destroy();
      return;
    }
    sendText(response, known ? error.status : 500, known ? error.message : 'internal error');
  }
}

/** How much of a body is taken, and for how long one waits for it. */
export interface BodyLimits {
  /** Beyond: HttpError 413, before reading where the length is announced. */
  readonly maxBytes: number;
  /** A client that sends nothing for this long gets HttpError 408; without it one waits forever. */
  readonly stallTimeoutMs?: number;
  /** Told before memory is taken how many bytes this body then occupies; throws to refuse it. */
  readonly onGrow?: (bytes: number) => void;
}

/** What a body of unknown length starts with; each time it is full it doubles. */
const FIRST_BODY_BYTES = 64 * 1024;

/** A body as it comes in: of the announced length, or growing. */
class BodyBuffer {
  readonly #limits: BodyLimits;
  #bytes: Buffer;
  #length = 0;

  constructor(announced: number | undefined, limits: BodyLimits) {
    this.#limits = limits;
    this.#bytes = this.#allocate(announced ?? Math.min(FIRST_BODY_BYTES, limits.maxBytes));
  }

  append(chunk: Buffer): void {
    const length = this.#length + chunk.length;
    if (length > this.#limits.maxBytes) throw tooLarge(this.#limits);
    if (length > this.#bytes.length) {
      const grown = this.#allocate(Math.min(this.#limits.maxBytes, Math.max(length, this.#bytes.length * 2)));
      this.#bytes.copy(grown, 0, 0, this.#length);
      this.#bytes = grown;
    }
    chunk.copy(this.#bytes, this.#length);
    this.#length = length;
  }

  /** In memory of its own size: whoever keeps the body keeps no more than that. */
  finish(): Buffer {
    if (this.#length === this.#bytes.length) return this.#bytes;
    const exact = Buffer.allocUnsafeSlow(this.#length);
    this.#bytes.copy(exact, 0, 0, this.#length);
    return exact;
  }

  #allocate(bytes: number): Buffer {
    if (bytes > this.#limits.maxBytes) throw tooLarge(this.#limits);
    this.#limits.onGrow?.(bytes);
    return Buffer.allocUnsafeSlow(bytes);
  }
}

const tooLarge = ({ maxBytes }: BodyLimits): HttpError =>
  new HttpError(413, `request body is larger than ${maxBytes} bytes`);

/**
 * The whole body. Rejects with HttpError where a limit is passed, with what `onGrow` threw, and with
 * another Error where the client went away; the request can be answered after the first two.
 */
export function readBody(request: IncomingMessage, limits: BodyLimits): Promise<Buffer> {
  return readStream(request, request.headers['content-length'], limits);
}

/** The same of any stream that carries a request; `announced` is its Content-Length. */
export async function readStream(
  request: Readable,
  announced: string | undefined,
  limits: BodyLimits,
): Promise<Buffer> {
  const body = new BodyBuffer(announced === undefined ? undefined : Number(announced), limits);
  const ended = deferred();
  const { stallTimeoutMs: stallMs } = limits;
  const timer =
    stallMs === undefined
      ? undefined
      : setTimeout(
          () => ended.reject(new HttpError(408, `no byte of the body came in ${stallMs} ms`)),
          stallMs,
        );
  const onData = (chunk: Buffer): void => {
    timer?.refresh();
    try {
      body.append(chunk);
    } catch (error) {
      ended.reject(error);
    }
  };
  const onGone = (): void => ended.reject(new Error('client closed the connection within the body'));
  // A whole body is followed by "close" at once: making an error with its stack for each costs more than the body.
  const onEnd = (): void => {
    request.off('close', onGone);
    ended.resolve();
  };
  // The listener for errors stays: without one a reset connection would be an uncaught error.
  request.on('data', onData).once('end', onEnd).once('error', onGone).once('close', onGone);
  if (request.destroyed) onGone();
  try {
    await ended.promise;
  } finally {
    clearTimeout(timer);
    request.pause().off('data', onData).off('end', onEnd).off('close', onGone);
  }
  return body.finish();
}

/** An unread rest of at most this size is read and discarded, so that the connection can be kept. */
const KEEP_ALIVE_REST_BYTES = 256 * 1024;
/** How much, and for how long, is discarded before a connection is closed. */
const DISCARD_BYTES = 64 * 1024 * 1024;
const DISCARD_MS = 1_000;

/**
 * Sends the answer and ends the response. Where the client is still sending, the rest of its body is
 * discarded first, within limits: closing at once would reset the connection, and the client would lose
 * the answer.
 */
export function sendBody(
  response: ServerResponse,
  status: number,
  contentType: string,
  body: Uint8Array | string,
): void {
  const { req: request } = response;
  const headers = { 'content-type': contentType, 'content-length': Buffer.byteLength(body) };
  if (request.complete) {
    response.writeHead(status, headers).end(body);
    return;
  }
  if (restBytes(request) > KEEP_ALIVE_REST_BYTES) response.shouldKeepAlive = false;
  response.writeHead(status, headers).write(body);
  discardRest(request, response);
}

/** At most this much may still come; a client that waits for "100 Continue" may send all or nothing. */
function restBytes({ headers }: IncomingMessage): number {
  if (headers['transfer-encoding'] !== undefined || headers.expect !== undefined) return Infinity;
  return Number(headers['content-length'] ?? 0);
}

function discardRest(request: IncomingMessage, response: ServerResponse): void {
  let discarded = 0;
  const stop = (): void => {
    clearTimeout(timer);
    request.off('data', onData).off('end', onEnd).off('close', onEnd);
  };
  const onEnd = (): void => {
    stop();
    response.end();
  };
  const giveUp = (): void => {
    stop();
    response.end(() => request.socket.destroy());
  };
  const onData = (chunk: Buffer): void => {
    discarded += chunk.length;
    if (discarded > DISCARD_BYTES) giveUp();
  };
  const timer = setTimeout(giveUp, DISCARD_MS);
  request.on('data', onData).once('end', onEnd).once('close', onEnd).resume();
}

/** Sends text and ends the response. */
export function sendText(
  response: ServerResponse,
  status: number,
  text: string,
  contentType = 'text/plain; charset=utf-8',
): void {
  sendBody(response, status, contentType, text);
}

/** Sends a value as JSON and ends the response. */
export function sendJson(response: ServerResponse, status: number, value: unknown): void {
  sendText(response, status, JSON.stringify(value), 'application/json');
}
