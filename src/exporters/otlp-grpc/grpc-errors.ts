// SPDX-License-Identifier: Apache-2.0
import { PermanentError, RetryableError } from '../../consumer/consumer.ts';
import { Code, GrpcError, RETRYABLE_CODES } from '../../grpc/status.ts';
import { TransportError } from '../helper/delivery.ts';

const NAMES = new Map(Object.entries(Code).map(([name, code]) => [code as number, name]));

/**
 * A failed call as the error class that says whether and when to try again. What is no status of gRPC is
 * given back as it is.
 */
export function fromGrpcError(error: unknown): unknown {
  if (!(error instanceof GrpcError)) return error;
  const { code, retryAfterMs } = error;
  const name = NAMES.get(code) ?? String(code);
  const words = name.charAt(0).toUpperCase() + name.slice(1);
  const message = `rpc error: code = ${words} desc = ${error.message}`;
  const cause = new TransportError(words.replace(/(?<=[a-z])(?=[A-Z])/g, '_'), message, { cause: error });
  const isThrottled = code === Code.resourceExhausted && retryAfterMs !== undefined;
  if (!RETRYABLE_CODES.has(code) && !isThrottled) return new PermanentError(message, { cause });
  return new RetryableError(message, { cause, ...(retryAfterMs !== undefined && { retryAfterMs }) });
}
