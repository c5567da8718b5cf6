// SPDX-License-Identifier: Apache-2.0
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  constants,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
} from 'node:http2';
import { unpack } from './encoding.ts';
import { type Hold, messagePrefix, MessageReader } from './message.ts';
import { Code, codeOfHttpStatus, decodeGrpcMessage, GrpcError } from './status.ts';
import { retryAfterMsOf } from './status-details.ts';

/** A call that the server has not looked at: it may be made again, whatever it does. */
export class UnprocessedError extends Error {
  override readonly name = 'UnprocessedError';
}

export interface ClientRequest {
  readonly headers: OutgoingHttpHeaders;
  /** In pieces. */
  readonly message: readonly Uint8Array[];
  readonly isCompressed: boolean;
  readonly maxReceiveBytes: number;
}

/** A client decides itself how much it asks for, so only the size of one answer is limited. */
const UNLIMITED: Hold = { grow: () => true, release: () => undefined };

/**
 * Makes one unary call. Rejects with GrpcError, with UnprocessedError, or with the signal's reason.
 * `onActivity` is called whenever the server lets hear of itself.
 */
export function callUnary(
  session: ClientHttp2Session,
  request: ClientRequest,
  signal: AbortSignal,
  onActivity: () => void,
): Promise<Uint8Array> {
  if (signal.aborted) return Promise.reject(signal.reason);
  let stream: ClientHttp2Stream;
  try {
    stream = session.request(request.headers);
  } catch (cause) {
    return Promise.reject(new UnprocessedError('the connection is closed', { cause }));
  }
  const answer = new Answer(session, stream, request.maxReceiveBytes, onActivity);
  stream.cork();
  const sizeBytes = request.message.reduce((sum, piece) => sum + piece.length, 0);
  stream.write(messagePrefix(sizeBytes, request.isCompressed));
  for (const piece of request.message) stream.write(piece);
  stream.end();
  stream.uncork();
  return new Promise((resolve, reject) => {
    const cancel = (): void => {
      reject(signal.reason);
      stream.close(constants.NGHTTP2_CANCEL);
    };
    signal.addEventListener('abort', cancel, { once: true });
    stream.once('close', () => {
      signal.removeEventListener('abort', cancel);
      answer.result().then(resolve, reject);
    });
  });
}

/** What comes back on a stream. */
class Answer {
  readonly #session: ClientHttp2Session;
  readonly #stream: ClientHttp2Stream;
  readonly #maxBytes: number;
  readonly #reader: MessageReader;
  #headers: IncomingHttpHeaders | undefined;
  #trailers: IncomingHttpHeaders | undefined;
  #broken: unknown;

  constructor(
    session: ClientHttp2Session,
    stream: ClientHttp2Stream,
    maxBytes: number,
    onActivity: () => void,
  ) {
    this.#session = session;
    this.#stream = stream;
    this.#maxBytes = maxBytes;
    this.#reader = new MessageReader(maxBytes, UNLIMITED);
    // A stream that breaks closes too; how is told by its reset code.
    stream.on('error', () => undefined);
    stream.once('response', (headers) => {
      onActivity();
      this.#headers = headers;
      if (headers['grpc-status'] !== undefined) this.#trailers = headers;
    });
    stream.once('trailers', (trailers) => (this.#trailers = trailers));
    stream.on('data', (chunk: Buffer) => {
      onActivity();
      this.#push(chunk);
    });
  }

  #push(chunk: Buffer): void {
    if (this.#broken !== undefined || !isGrpc(this.#headers)) return;
    try {
      this.#reader.push(chunk);
    } catch (error) {
      this.#broken = error;
      this.#stream.close(constants.NGHTTP2_CANCEL);
    }
  }

  /** The response, once the stream has closed. */
  async result(): Promise<Uint8Array> {
    if (this.#broken !== undefined) throw this.#broken;
    const status = this.#trailers?.['grpc-status'];
    if (status === undefined) throw this.#withoutStatus();
    const code = Number(status);
    if (code !== Code.ok) throw statusError(code, this.#trailers ?? {});
    const encoding = this.#headers?.['grpc-encoding'];
    return unpack(
      this.#reader.finish(),
      typeof encoding === 'string' ? encoding : 'identity',
      this.#maxBytes,
      UNLIMITED,
    );
  }

  #withoutStatus(): Error {
    const { rstCode, id } = this.#stream;
    if (this.#headers !== undefined && !isGrpc(this.#headers)) {
      const status = Number(this.#headers[':status']);
      const type = this.#headers['content-type'] ?? 'none';
      const code = status === 200 ? Code.unknown : codeOfHttpStatus(status);
      const message = `unexpected HTTP answer: status ${status}, content type "${type}"`;
      return new GrpcError(code, message);
    }
    const isLost = this.#session.destroyed;
    if (rstCode === constants.NGHTTP2_REFUSED_STREAM || (isLost && id === undefined)) {
      return new UnprocessedError('the server did not take the call');
    }
    if (isLost) return new GrpcError(Code.unavailable, 'the connection was lost while the call was running');
    const code = CODE_OF_RESET[rstCode] ?? Code.internal;
    return new GrpcError(code, `the server ended the stream without a status, with code ${rstCode}`);
  }
}

/** Source: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#errors */
const CODE_OF_RESET: Readonly<Record<number, number>> = {
  [constants.NGHTTP2_CANCEL]: Code.cancelled,
  [constants.NGHTTP2_ENHANCE_YOUR_CALM]: Code.resourceExhausted,
  [constants.NGHTTP2_INADEQUATE_SECURITY]: Code.permissionDenied,
};

function isGrpc(headers: IncomingHttpHeaders | undefined): boolean {
  return (
    Number(headers?.[':status']) === 200 &&
    /^application\/grpc(?:[+;]|$)/.test(headers?.['content-type'] ?? '')
  );
}

function statusError(code: number, trailers: IncomingHttpHeaders): GrpcError {
  const { 'grpc-message': message, 'grpc-status-details-bin': details } = trailers;
  const retryAfterMs =
    typeof details === 'string' ? retryAfterMsOf(Buffer.from(details, 'base64')) : undefined;
  const isKnown = Number.isInteger(code) && code >= 0 && code <= Code.unauthenticated;
  return new GrpcError(
    isKnown ? code : Code.unknown,
    typeof message === 'string' ? decodeGrpcMessage(message) : '',
    { retryAfterMs },
  );
}
