// SPDX-License-Identifier: Apache-2.0
import type { ClientAuthenticator, RequestHeaders } from '../../component/authenticator.ts';
import { withTraceHeaders } from '../../component/spans.ts';
import type { Logger } from '../../component/telemetry.ts';
import { isPermanent, PermanentError, RetryableError } from '../../consumer/consumer.ts';
import { isLoopback } from '../../internal/endpoint.ts';
import { TransportError } from './delivery.ts';

/**
 * Sends with the headers that the authenticator makes, and those of the trace that it is part of. Where the server refuses the credentials and the
 * authenticator has others, it is sent once more with those. `isRefusal` is given what `send` resolved or
 * rejected with.
 */
export async function sendAuthorized<T>(
  auth: ClientAuthenticator | undefined,
  headers: RequestHeaders,
  signal: AbortSignal,
  send: (headers: RequestHeaders) => Promise<T>,
  isRefusal: (outcome: unknown) => boolean,
): Promise<T> {
  const traced = withTraceHeaders(headers);
  if (auth === undefined) return send(traced);
  const first = await authorize(auth, traced, signal);
  const [outcome] = await Promise.allSettled([send(first)]);
  const result: unknown = outcome.status === 'fulfilled' ? outcome.value : outcome.reason;
  if (isRefusal(result) && (await auth.refused?.(first, signal)) === true)
    return send(await authorize(auth, traced, signal));
  if (outcome.status === 'rejected') throw outcome.reason;
  return outcome.value;
}

/** Failures are counted as those of credentials, whatever made them. */
async function authorize(
  auth: ClientAuthenticator,
  headers: RequestHeaders,
  signal: AbortSignal,
): Promise<RequestHeaders> {
  try {
    return await auth.authorize(headers, signal);
  } catch (error) {
    if (signal.aborted) throw error;
    const message = error instanceof Error ? error.message : String(error);
    const cause = new TransportError('Unauthenticated', message, { cause: error });
    if (isPermanent(error)) throw new PermanentError(message, { cause });
    const wait = error instanceof RetryableError ? error.retryAfterMs : undefined;
    throw new RetryableError(message, { cause, ...(wait !== undefined && { retryAfterMs: wait }) });
  }
}

/** Says once that credentials travel in the open, where they do and other hosts can see them. */
export function warnOfPlaintext(
  auth: ClientAuthenticator | undefined,
  isPlain: boolean,
  host: string,
  logger: Logger,
): void {
  if (auth === undefined || !isPlain || isLoopback(host.replace(/^\[|\]$/g, ''))) return;
  logger.warn('credentials are sent without TLS: whoever sees the network traffic can use them', { host });
}
