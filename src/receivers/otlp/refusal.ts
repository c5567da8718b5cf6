// SPDX-License-Identifier: Apache-2.0
import { isPermanent, RetryableError } from '../../consumer/consumer.ts';
import { DecodeError, Wire } from '../../internal/wire-reader.ts';
import { ReverseWriter } from '../../internal/wire-writer.ts';

/** gRPC status codes in use; OTLP/HTTP carries the same in its google.rpc.Status. */
export const Code = {
  invalidArgument: 3,
  resourceExhausted: 8,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
} as const;

/** What the client of a refused request is told. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
  readonly code: number;
  /** When to try again, where that is known. */
  readonly retryAfterMs: number | undefined;

  constructor(code: number, message: string, options?: ErrorOptions & { retryAfterMs?: number | undefined }) {
    super(message, options);
    this.code = code;
    this.retryAfterMs = options?.retryAfterMs;
  }

  /**
   * Bad bytes are the client's fault; a permanent error of the pipeline is ours and final; anything else
   * may be tried again. Source: otlpreceiver's error mapping.
   */
  static from(error: unknown): Refusal {
    if (error instanceof Refusal) return error;
    const cause = error instanceof Error ? error : new Error(String(error));
    if (cause instanceof DecodeError) return new Refusal(Code.invalidArgument, cause.message, { cause });
    if (isPermanent(cause)) return new Refusal(Code.internal, cause.message, { cause });
    return new Refusal(Code.unavailable, cause.message, { cause, retryAfterMs: retryAfterMs(cause) });
  }
}

/** The longest wait that the error or one it wraps or joins asks for. */
function retryAfterMs(error: unknown): number | undefined {
  if (!(error instanceof Error)) return undefined;
  const inner: unknown[] = error instanceof AggregateError ? error.errors : [error.cause];
  const own = error instanceof RetryableError ? [error.retryAfterMs] : [];
  const waits = [...own, ...inner.map(retryAfterMs)].filter((wait) => wait !== undefined);
  return waits.length === 0 ? undefined : Math.max(...waits);
}

const RETRY_INFO = 'type.googleapis.com/google.rpc.RetryInfo';

/** google.rpc.Status as protobuf; a wait goes along as google.rpc.RetryInfo. */
export function encodeStatus(refusal: Refusal): Uint8Array {
  const w = new ReverseWriter(64 + refusal.message.length * 3);
  if (refusal.retryAfterMs !== undefined) {
    const detail = w.length;
    const duration = w.length;
    w.int32Field(2, Math.round(refusal.retryAfterMs % 1000) * 1_000_000);
    w.int32Field(1, Math.floor(refusal.retryAfterMs / 1000));
    w.message(1, duration);
    w.varint(w.length - duration);
    w.tag(2, Wire.Len);
    w.stringField(1, RETRY_INFO);
    w.message(3, detail);
  }
  w.stringField(2, refusal.message);
  w.int32Field(1, refusal.code);
  return w.finish();
}

/** google.rpc.Status as JSON. */
export function statusJson(refusal: Refusal): string {
  const { code, message, retryAfterMs: wait } = refusal;
  const details = wait === undefined ? [] : [{ '@type': RETRY_INFO, retryDelay: `${wait / 1000}s` }];
  return JSON.stringify({ code, message, details });
}
