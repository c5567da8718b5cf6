// SPDX-License-Identifier: Apache-2.0
import type { IncomingMessage, ServerResponse } from 'node:http';
import { decodeOtlpLeniently } from '../../codecs/otlp/decode.ts';
import { decodeOtlpJsonLeniently } from '../../codecs/otlp/json.ts';
import {
  CompressionError,
  type CompressionName,
  decompress,
  isSupported,
} from '../../compression/compression.ts';
import {
  AuthenticationError,
  credentialsOf,
  type ServerAuthenticator,
} from '../../component/authenticator.ts';
import { openServerTls } from '../../config/sections/tls-source.ts';
import { metadataOf, withClientMetadata } from '../../component/client-metadata.ts';
import { withinTraceOf } from '../../component/spans.ts';
import { RetryableError } from '../../consumer/consumer.ts';
import { Code } from '../../grpc/status.ts';
import { encodeStatus } from '../../grpc/status-details.ts';
import { corsHeaders, isPreflight } from '../../internal/cors.ts';
import { HttpError, listenHttp, readBody, sendBody } from '../../internal/http-server.ts';
import type { HttpProtocolConfig } from './config.ts';
import { receiverRoom } from '../../internal/receiver-room.ts';
import type { Hold } from '../../internal/in-flight.ts';
import type { Decoded, Intake, RefusalReason, RunningServer } from './intake.ts';
import type { ServerReports } from './grpc-server.ts';
import { Refusal, statusJson } from './refusal.ts';
import { encodeResponse, responseJson } from './response.ts';

const PROTOBUF = 'application/x-protobuf';
const JSON_TYPE = 'application/json';
const DEFAULT_MAX_BODY_BYTES = 20 * 1024 * 1024;
const ADVICE = 'raise "max_request_body_size" or send smaller batches';
/** Whoever holds memory and sends nothing for this long is given up. */
const BODY_STALL_MS = 60_000;

/** Starts to listen; rejects with the endpoint in the message. */
export async function listenOtlpHttp(
  config: HttpProtocolConfig,
  intake: Intake,
  { onConnectionEnd, onError, logger }: ServerReports,
  authenticator?: ServerAuthenticator,
): Promise<RunningServer> {
  const server = await listenHttp(
    {
      endpoint: config.endpoint,
      transport: config.transport,
      requestTimeoutMs: config.read_timeout,
      headersTimeoutMs: config.read_header_timeout,
      keepAliveTimeoutMs: config.idle_timeout,
      room: receiverRoom(),
      onConnectionEnd,
      onError,
      ...(await openServerTls(config.tls, logger)),
    },
    (request, response, signal) =>
      new Exchange({ config, intake, authenticator, onError }, request, response, signal).run(),
  );
  return { endpoint: server.endpoint, close: (deadline) => server.close(deadline) };
}

/** What the requests of a server share. */
interface Site {
  readonly config: HttpProtocolConfig;
  readonly intake: Intake;
  readonly authenticator: ServerAuthenticator | undefined;
  readonly onError: (error: unknown) => void;
}

/** One HTTP request and its answer. */
class Exchange {
  readonly #authenticator: ServerAuthenticator | undefined;
  readonly #onError: (error: unknown) => void;
  readonly #config: HttpProtocolConfig;
  readonly #intake: Intake;
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #signal: AbortSignal;
  readonly #maxBytes: number;
  readonly #type: string;
  readonly #isJson: boolean;

  constructor(
    { config, intake, authenticator, onError }: Site,
    request: IncomingMessage,
    response: ServerResponse,
    signal: AbortSignal,
  ) {
    this.#config = config;
    this.#intake = intake;
    this.#authenticator = authenticator;
    this.#onError = onError;
    this.#request = request;
    this.#response = response;
    this.#signal = signal;
    this.#maxBytes = config.max_request_body_size || DEFAULT_MAX_BODY_BYTES;
    this.#type = (request.headers['content-type'] ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? '';
    this.#isJson = this.#type === JSON_TYPE;
  }

  async run(): Promise<void> {
    const held = this.#intake.hold('http');
    try {
      if (this.#answerCors()) return;
      await this.#authenticate();
      this.#checkHead();
      const body = await this.#readBody(held);
      // From here on the intake holds the same bytes.
      held.release();
      const accept = () => this.#intake.accept('http', body.length, () => this.#decode(body), this.#signal);
      const { headers } = this.#request;
      const metadata = this.#config.include_metadata ? metadataOf(headers) : undefined;
      const rejected = await withClientMetadata(metadata, () => withinTraceOf(headers, accept));
      this.#send(200, this.#isJson ? responseJson(rejected) : encodeResponse(rejected));
    } catch (error) {
      if (!this.#signal.aborted) this.#sendRefusal(error);
    } finally {
      held.release();
    }
  }

  /** Tells browsers which pages may read the answer; true where that was all they asked for. */
  #answerCors(): boolean {
    const { cors } = this.#config;
    if (cors === undefined || cors.allowed_origins.length === 0) return false;
    for (const [name, value] of Object.entries(corsHeaders(cors, this.#request, 'POST'))) {
      this.#response.setHeader(name, value);
    }
    if (!isPreflight(this.#request)) return false;
    this.#response.writeHead(204).end();
    return true;
  }

  async #authenticate(): Promise<void> {
    const authenticator = this.#authenticator;
    if (authenticator === undefined) return;
    try {
      const { headers, url = '' } = this.#request;
      const names = this.#config.auth?.request_params ?? [];
      await authenticator.authenticate(credentialsOf(headers, url.split('?').slice(1).join('?'), names));
    } catch (cause) {
      if (cause instanceof AuthenticationError) {
        this.#response.setHeader('www-authenticate', authenticator.challenge);
        this.#refuse(401, 'unauthenticated', cause.message, cause);
      }
      if (!(cause instanceof RetryableError)) {
        this.#onError(cause);
        throw new Refusal(Code.internal, 'the server failed to check the credentials', { cause });
      }
      const { message, retryAfterMs } = cause;
      const busy = new Refusal(Code.resourceExhausted, message, { cause, retryAfterMs });
      throw this.#intake.refuse('http', 'busy', busy);
    }
  }

  #checkHead(): void {
    const { method, url = '' } = this.#request;
    const path = this.#config.profiles_url_path;
    if (url.split('?', 1)[0] !== path) {
      this.#refuse(404, 'unsupported', `no such path; profiles are received at ${path}`);
    }
    if (method !== 'POST') this.#refuse(405, 'unsupported', `method ${method} is not allowed; use POST`);
    if (this.#type !== PROTOBUF && !this.#isJson) {
      this.#refuse(
        415,
        'unsupported',
        `content type "${this.#type}" is not supported; use ${PROTOBUF} or ${JSON_TYPE}`,
      );
    }
  }

  /** The body, decompressed; neither form may exceed the limit, and what is in memory is held. */
  async #readBody(held: Hold): Promise<Uint8Array> {
    const encoding = (this.#request.headers['content-encoding'] ?? '').trim().toLowerCase();
    const name = encoding === 'identity' ? '' : encoding;
    const allowed: readonly string[] = this.#config.compression_algorithms;
    const isAllowed = allowed.includes(name);
    if (isAllowed && name === '') return this.#readWire(held);
    if (!isAllowed || !isSupported(name)) {
      const usable = allowed.map((one) => (one === '' ? 'identity' : one));
      const known = usable.filter((one) => one === 'identity' || isSupported(one)).join(' ');
      const message = `content encoding "${encoding}" is not supported; use one of [${known}]`;
      return this.#refuse(415, 'unsupported', message);
    }
    // What travels compressed is held apart: whether the request is let in is asked before it is read.
    this.#grow(held, 0);
    const wire = this.#intake.holdMore();
    try {
      const body = await this.#decompress(name, await this.#readWire(wire));
      this.#grow(held, body.length);
      return body;
    } finally {
      wire.release();
    }
  }

  async #decompress(name: CompressionName, wire: Uint8Array): Promise<Uint8Array> {
    try {
      return await decompress(name, wire, { maxBytes: this.#maxBytes });
    } catch (cause) {
      if (!(cause instanceof CompressionError)) throw cause;
      const message = `request body: ${cause.message}`;
      if (cause.reason === 'malformed') return this.#refuse(400, 'malformed', message, cause);
      return this.#refuse(413, 'too_large', `${message}; ${ADVICE}`, cause);
    }
  }

  async #readWire(held: Hold): Promise<Buffer> {
    try {
      return await readBody(this.#request, {
        maxBytes: this.#maxBytes,
        stallTimeoutMs: BODY_STALL_MS,
        onGrow: (bytes) => this.#grow(held, bytes - held.bytes),
      });
    } catch (cause) {
      if (cause instanceof Refusal) throw cause;
      if (cause instanceof HttpError && cause.status === 413)
        return this.#refuse(413, 'too_large', this.#tooLarge(), cause);
      this.#intake.count('http', 'incomplete');
      throw cause;
    }
  }

  #grow(held: Hold, bytes: number): void {
    if (!held.grow(bytes)) throw this.#intake.busy('http', held);
  }

  #tooLarge(): string {
    return `request body is larger than ${this.#maxBytes} bytes; ${ADVICE}`;
  }

  #decode(body: Uint8Array): Decoded {
    if (this.#type === PROTOBUF) return decodeOtlpLeniently(body);
    return { ...decodeOtlpJsonLeniently(body), revision: 'json' };
  }

  #refuse(httpStatus: number, reason: RefusalReason, message: string, cause?: unknown): never {
    this.#intake.count('http', reason);
    throw new HttpError(httpStatus, message, { cause });
  }

  #sendRefusal(error: unknown): void {
    const httpStatus = error instanceof HttpError ? error.status : undefined;
    const refusal =
      httpStatus === undefined
        ? Refusal.from(error)
        : new Refusal(codeOf(httpStatus), (error as Error).message);
    if (httpStatus === 405) this.#response.setHeader('allow', 'POST');
    if (refusal.retryAfterMs !== undefined) {
      this.#response.setHeader('retry-after', String(Math.max(1, Math.ceil(refusal.retryAfterMs / 1000))));
    }
    const body = this.#type === PROTOBUF ? encodeStatus(refusal) : statusJson(refusal);
    this.#send(httpStatus ?? httpStatusOf(refusal.code), body);
  }

  #send(status: number, body: Uint8Array | string): void {
    const response = this.#response;
    if (!this.#config.keep_alives_enabled) response.shouldKeepAlive = false;
    for (const [name, value] of Object.entries(this.#config.response_headers)) {
      response.setHeader(name, value.reveal());
    }
    sendBody(response, status, this.#type === PROTOBUF ? PROTOBUF : JSON_TYPE, body);
  }
}

function codeOf(httpStatus: number): number {
  if (httpStatus === 404 || httpStatus === 405) return Code.unimplemented;
  if (httpStatus === 401) return Code.unauthenticated;
  if (httpStatus === 408) return Code.unavailable;
  return httpStatus === 413 ? Code.resourceExhausted : Code.invalidArgument;
}

function httpStatusOf(code: number): number {
  if (code === Code.invalidArgument) return 400;
  if (code === Code.resourceExhausted) return 429;
  return code === Code.unavailable ? 503 : 500;
}
