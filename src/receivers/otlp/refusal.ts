// SPDX-License-Identifier: Apache-2.0
import { isPermanent, RetryableError } from '../../consumer/consumer.ts';
import { Code, GrpcError } from '../../grpc/status.ts';
import { RETRY_INFO } from '../../grpc/status-details.ts';
import { DecodeError } from '../../internal/wire-reader.ts';

/** What the client of a refused request is told. */
export class Refusal extends GrpcError {
  override readonly name = 'Refusal';

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

/** google.rpc.Status as JSON. */
export function statusJson(refusal: Refusal): string {
  const { code, message, retryAfterMs: wait } = refusal;
  const details = wait === undefined ? [] : [{ '@type': RETRY_INFO, retryDelay: `${wait / 1000}s` }];
  return JSON.stringify({ code, message, details });
}
