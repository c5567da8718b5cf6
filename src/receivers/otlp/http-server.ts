// SPDX-License-Identifier: Apache-2.0
import type { IncomingMessage, ServerResponse } from 'node:http';
import { promisify } from 'node:util';
import { gunzip, inflate } from 'node:zlib';
import { decodeOtlpDetailed } from '../../codecs/otlp/decode.ts';
import { decodeOtlpJson } from '../../codecs/otlp/json.ts';
import { loadTlsMaterial } from '../../config/sections/tls-material.ts';
import { HttpError, listenHttp, readBody } from '../../internal/http-server.ts';
import { DecodeError } from '../../internal/wire-reader.ts';
import type { HttpProtocolConfig } from './config.ts';
import type { RunningServer } from './grpc-server.ts';
import type { Decoded, Intake, RefusalReason } from './intake.ts';
import { Code, encodeStatus, Refusal, statusJson } from './refusal.ts';

const PATH = '/v1development/profiles';
const PROTOBUF = 'application/x-protobuf';
const JSON_TYPE = 'application/json';
const DEFAULT_MAX_BODY_BYTES = 20 * 1024 * 1024;

const inflaters = { gzip: promisify(gunzip), deflate: promisify(inflate), zlib: promisify(inflate) } as const;

/** Starts to listen; rejects with the endpoint in the message. */
export async function listenOtlpHttp(
  config: HttpProtocolConfig,
  intake: Intake,
  onError: (error: unknown) => void,
): Promise<RunningServer> {
  const { tls } = config;
  const demandClientCertificate = tls?.client_ca_file !== undefined;
  const server = await listenHttp(
    {
      endpoint: config.endpoint,
      requestTimeoutMs: config.read_timeout,
      headersTimeoutMs: config.read_header_timeout,
      keepAliveTimeoutMs: config.idle_timeout,
      onError,
      ...(tls !== undefined &&
        tls !== null && {
          tls: {
            ...(await loadTlsMaterial(tls)),
            requestCert: demandClientCertificate,
            rejectUnauthorized: demandClientCertificate,
          },
        }),
    },
    (request, response, signal) => new Exchange(config, intake, request, response, signal).run(),
  );
  return { endpoint: server.endpoint, close: (deadline) => server.close(deadline) };
}

/** One HTTP request and its answer. */
class Exchange {
  readonly #config: HttpProtocolConfig;
  readonly #intake: Intake;
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #signal: AbortSignal;
  readonly #maxBytes: number;
  readonly #type: string;

  constructor(
    config: HttpProtocolConfig,
    intake: Intake,
    request: IncomingMessage,
    response: ServerResponse,
    signal: AbortSignal,
  ) {
    this.#config = config;
    this.#intake = intake;
    this.#request = request;
    this.#response = response;
    this.#signal = signal;
    this.#maxBytes = config.max_request_body_size || DEFAULT_MAX_BODY_BYTES;
    this.#type = (request.headers['content-type'] ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? '';
  }

  async run(): Promise<void> {
    try {
      this.#checkHead();
      const body = await this.#readBody();
      await this.#intake.accept('http', body.length, () => this.#decode(body), this.#signal);
      this.#send(200, this.#type === JSON_TYPE ? Buffer.from('{}') : Buffer.alloc(0));
    } catch (error) {
      if (this.#signal.aborted) return;
      this.#sendRefusal(error);
    }
  }

  #checkHead(): void {
    const { method, url = '' } = this.#request;
    if (url.split('?', 1)[0] !== PATH) {
      this.#refuse(404, 'unsupported', `no such path; profiles are received at ${PATH}`);
    }
    if (method !== 'POST') this.#refuse(405, 'unsupported', `method ${method} is not allowed; use POST`);
    if (this.#type !== PROTOBUF && this.#type !== JSON_TYPE) {
      this.#refuse(
        415,
        'unsupported',
        `content type "${this.#type}" is not supported; use ${PROTOBUF} or ${JSON_TYPE}`,
      );
    }
  }

  /** The body, decompressed; neither form may exceed the limit. */
  async #readBody(): Promise<Buffer> {
    const encoding = (this.#request.headers['content-encoding'] ?? '').trim().toLowerCase();
    const name = encoding === 'identity' ? '' : encoding;
    const allowed = this.#config.compression_algorithms;
    if (!(allowed as readonly string[]).includes(name)) {
      this.#refuse(
        415,
        'unsupported',
        `content encoding "${encoding}" is not supported; use one of [${allowed.join(' ')}]`,
      );
    }
    const wire = await this.#readWire();
    if (name === '') return wire;
    try {
      return await inflaters[name as keyof typeof inflaters](wire, { maxOutputLength: this.#maxBytes });
    } catch (cause) {
      if (cause instanceof RangeError) this.#refuse(413, 'too_large', this.#tooLarge(), cause);
      const why = cause instanceof Error ? cause.message : String(cause);
      return this.#refuse(400, 'malformed', `request body is not ${name}: ${why}`, cause);
    }
  }

  async #readWire(): Promise<Buffer> {
    try {
      return await readBody(this.#request, this.#maxBytes);
    } catch (cause) {
      if (cause instanceof HttpError) return this.#refuse(cause.status, 'too_large', this.#tooLarge(), cause);
      this.#intake.count('http', 'incomplete');
      throw cause;
    }
  }

  #tooLarge(): string {
    return `request body is larger than ${this.#maxBytes} bytes; raise "max_request_body_size" or send smaller batches`;
  }

  #decode(body: Buffer): Decoded {
    if (this.#type === PROTOBUF) return decodeOtlpDetailed(body);
    let text: string;
    try {
      text = new TextDecoder('utf-8', { fatal: true }).decode(body);
    } catch (cause) {
      throw new DecodeError('OTLP/JSON profiles', 0, 'body is not UTF-8', { cause });
    }
    return { batch: decodeOtlpJson(text), revision: 'json' };
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
    const body =
      this.#type === PROTOBUF ? Buffer.from(encodeStatus(refusal)) : Buffer.from(statusJson(refusal));
    this.#send(httpStatus ?? httpStatusOf(refusal.code), body);
  }

  #send(status: number, body: Buffer): void {
    const response = this.#response;
    // What is left of an unread body would be taken for the next request.
    if (!this.#request.complete || !this.#config.keep_alives_enabled) response.shouldKeepAlive = false;
    for (const [name, value] of Object.entries(this.#config.response_headers)) {
      response.setHeader(name, value.reveal());
    }
    response.writeHead(status, {
      'content-type': this.#type === PROTOBUF ? PROTOBUF : JSON_TYPE,
      'content-length': body.length,
    });
    response.end(body);
  }
}

function codeOf(httpStatus: number): number {
  if (httpStatus === 404 || httpStatus === 405) return Code.unimplemented;
  return httpStatus === 413 ? Code.resourceExhausted : Code.invalidArgument;
}

function httpStatusOf(code: number): number {
  if (code === Code.invalidArgument) return 400;
  return code === Code.unavailable ? 503 : 500;
}
