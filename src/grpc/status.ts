// SPDX-License-Identifier: Apache-2.0

/** Status codes. Source: https://github.com/grpc/grpc/blob/master/doc/statuscodes.md */
export const Code = {
  ok: 0,
  cancelled: 1,
  unknown: 2,
  invalidArgument: 3,
  deadlineExceeded: 4,
  notFound: 5,
  alreadyExists: 6,
  permissionDenied: 7,
  resourceExhausted: 8,
  failedPrecondition: 9,
  aborted: 10,
  outOfRange: 11,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
  dataLoss: 15,
  unauthenticated: 16,
} as const;

/**
 * Codes after which a call may be made again; of resourceExhausted only where the server says when.
 * Source: https://github.com/open-telemetry/opentelemetry-proto/blob/main/docs/specification.md#failures
 */
export const RETRYABLE_CODES: ReadonlySet<number> = new Set([
  Code.cancelled,
  Code.deadlineExceeded,
  Code.aborted,
  Code.outOfRange,
  Code.unavailable,
  Code.dataLoss,
]);

/** A status other than OK: what a server answers, or what a client was answered. */
export class GrpcError extends Error {
  override readonly name: string = 'GrpcError';
  readonly code: number;
  /** When the client may try again, where the server knows: google.rpc.RetryInfo. */
  readonly retryAfterMs: number | undefined;

  constructor(code: number, message: string, options?: ErrorOptions & { retryAfterMs?: number | undefined }) {
    super(message, options);
    this.code = code;
    this.retryAfterMs = options?.retryAfterMs;
  }
}

/** Clients refuse header blocks beyond 8 KiB: a message takes at most three bytes for each of these. */
const MAX_MESSAGE_BYTES = 1_024;

/** A message fit for a status: what is too long for a header is cut. */
export function shortMessage(message: string): string {
  const bytes = Buffer.from(message);
  if (bytes.length <= MAX_MESSAGE_BYTES) return message;
  return `${new TextDecoder().decode(bytes.subarray(0, MAX_MESSAGE_BYTES), { stream: true })}…`;
}

/**
 * `grpc-message` as it travels: UTF-8, with everything but printable ASCII and "%" itself in percent form.
 * Source: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#responses
 */
export function encodeGrpcMessage(message: string): string {
  let text = '';
  for (const byte of Buffer.from(message)) {
    const isPlain = byte >= 0x20 && byte <= 0x7e && byte !== 0x25;
    text += isPlain ? String.fromCharCode(byte) : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return text;
}

/** The inverse; what is no percent form stays as it is, and what is no UTF-8 becomes U+FFFD. */
export function decodeGrpcMessage(text: string): string {
  if (!text.includes('%')) return text;
  const bytes = Buffer.alloc(text.length * 3);
  let length = 0;
  for (let i = 0; i < text.length; i++) {
    const hex = text.slice(i + 1, i + 3);
    if (text[i] === '%' && /^[0-9a-fA-F]{2}$/.test(hex)) {
      bytes[length++] = Number.parseInt(hex, 16);
      i += 2;
    } else length += bytes.write(text.charAt(i), length);
  }
  return bytes.toString('utf8', 0, length);
}

const OF_HTTP: Readonly<Record<number, number>> = {
  400: Code.internal,
  401: Code.unauthenticated,
  403: Code.permissionDenied,
  404: Code.unimplemented,
  429: Code.unavailable,
  502: Code.unavailable,
  503: Code.unavailable,
  504: Code.unavailable,
};

/**
 * The status that stands for an HTTP answer without `grpc-status`.
 * Source: https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md
 */
export function codeOfHttpStatus(httpStatus: number): number {
  return OF_HTTP[httpStatus] ?? Code.unknown;
}
