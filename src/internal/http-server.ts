// SPDX-License-Identifier: Apache-2.0
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { TlsOptions } from 'node:tls';
import { formatHostPort, type HostPort, parseHostPort } from './endpoint.ts';

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
  /** `host:port`, `[ipv6]:port` or `:port`; port 0 lets the system choose. */
  readonly endpoint: string;
  /** Serves https with these. */
  readonly tls?: TlsOptions | undefined;
  /** Request line and headers together; beyond: 431. */
  readonly maxHeaderBytes?: number;
  /** A client that does not finish its request (headers and body) in this time is cut off with 408. */
  readonly requestTimeoutMs?: number;
  /** For the headers alone; `requestTimeoutMs` where absent. */
  readonly headersTimeoutMs?: number;
  readonly keepAliveTimeoutMs?: number;
  /** Connections beyond are closed at once. */
  readonly maxConnections?: number;
  /** What a handler threw beside HttpError, after the client got its 500. */
  readonly onError?: (error: unknown, request: IncomingMessage) => void;
}

export interface HttpServer {
  /** Where it listens; the port is the real one. */
  readonly endpoint: HostPort;
  /** `http://host:port`, fit for clients on this machine. */
  readonly url: string;
  /**
   * Takes no new connection, ends idle ones, lets running requests finish until `deadline` aborts and
   * cuts them then. May be called more than once.
   */
  close(deadline: AbortSignal): Promise<void>;
}

const DEFAULT_MAX_HEADER_BYTES = 16 * 1024;
const DEFAULT_REQUEST_TIMEOUT_MS = 30_000;
const DEFAULT_KEEP_ALIVE_TIMEOUT_MS = 60_000;
const DEFAULT_MAX_CONNECTIONS = 1_024;

/** Listens; resolves when connections are accepted. Rejects with the endpoint in the message. */
export async function listenHttp(options: HttpServerOptions, handler: HttpHandler): Promise<HttpServer> {
  const asked = parseHostPort(options.endpoint);
  const settings = {
    maxHeaderSize: options.maxHeaderBytes ?? DEFAULT_MAX_HEADER_BYTES,
    requestTimeout: options.requestTimeoutMs ?? DEFAULT_REQUEST_TIMEOUT_MS,
    headersTimeout: options.headersTimeoutMs ?? options.requestTimeoutMs ?? DEFAULT_REQUEST_TIMEOUT_MS,
    keepAliveTimeout: options.keepAliveTimeoutMs ?? DEFAULT_KEEP_ALIVE_TIMEOUT_MS,
    connectionsCheckingInterval: 1_000,
  };
  let closing = false;
  const running = new Set<ServerResponse>();
  const onRequest = (request: IncomingMessage, response: ServerResponse): void => {
    running.add(response);
    if (closing) response.shouldKeepAlive = false;
    response.once('close', () => {
      running.delete(response);
      if (closing) setImmediate(() => server.closeIdleConnections());
    });
    void answer(request, response, handler, options.onError);
  };
  const server =
    options.tls === undefined
      ? createServer(settings, onRequest)
      : createTlsServer({ ...settings, ...options.tls }, onRequest);
  server.maxConnections = options.maxConnections ?? DEFAULT_MAX_CONNECTIONS;
  const endpoint = await listen(server, asked);

  let closed: Promise<void> | undefined;
  const close = (deadline: AbortSignal): Promise<void> => {
    closing = true;
    for (const response of running) response.shouldKeepAlive = false;
    closed ??= new Promise((resolve) => server.close(() => resolve()));
    server.closeIdleConnections();
    return endBy(closed, deadline, () => server.closeAllConnections());
  };
  const host =
    endpoint.host === '' || endpoint.host === '::' || endpoint.host === '0.0.0.0'
      ? 'localhost'
      : endpoint.host;
  const url = `${options.tls === undefined ? 'http' : 'https'}://${formatHostPort({ host, port: endpoint.port })}`;
  return { endpoint, url, close };
}

async function listen(server: Server, asked: HostPort): Promise<HostPort> {
  await new Promise<void>((resolve, reject) => {
    const refuse = (cause: NodeJS.ErrnoException): void => {
      const why = cause.code === 'EADDRINUSE' ? 'address already in use' : cause.message;
      reject(new Error(`listen on "${formatHostPort(asked)}": ${why}`, { cause }));
    };
    server.once('error', refuse);
    server.listen(asked.host === '' ? { port: asked.port } : { port: asked.port, host: asked.host }, () => {
      server.off('error', refuse);
      resolve();
    });
  });
  const address: AddressInfo | string | null = server.address();
  return {
    host: asked.host,
    port: typeof address === 'object' && address !== null ? address.port : asked.port,
  };
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
    // The rest of an unread body would be taken for the next request.
    if (!request.complete) response.shouldKeepAlive = false;
    sendText(response, known ? error.status : 500, known ? error.message : 'internal error');
  }
}

/** The whole body. Throws HttpError 413 beyond `maxBytes`, before reading where the length is announced. */
export async function readBody(request: IncomingMessage, maxBytes: number): Promise<Buffer> {
  const tooLarge = (): HttpError => new HttpError(413, `request body is larger than ${maxBytes} bytes`);
  if (Number(request.headers['content-length'] ?? 0) > maxBytes) throw tooLarge();
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > maxBytes) throw tooLarge();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, length);
}

/** Sends text and ends the response. */
export function sendText(
  response: ServerResponse,
  status: number,
  text: string,
  contentType = 'text/plain; charset=utf-8',
): void {
  response
    .writeHead(status, { 'content-type': contentType, 'content-length': Buffer.byteLength(text) })
    .end(text);
}

/** Sends a value as JSON and ends the response. */
export function sendJson(response: ServerResponse, status: number, value: unknown): void {
  sendText(response, status, JSON.stringify(value), 'application/json');
}
