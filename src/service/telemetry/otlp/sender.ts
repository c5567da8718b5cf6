// SPDX-License-Identifier: Apache-2.0
import type { BuildInfo } from '../../../component/component.ts';
import type { Logger } from '../../../component/telemetry.ts';
import { tlsClientSchema, type TlsClientConfig } from '../../../config/sections/tls.ts';
import { headersOfList, type OwnOtlpConfig } from '../../../config/telemetry-export.ts';
import { PermanentError, RetryableError } from '../../../consumer/consumer.ts';
import { type Clock, sleep } from '../../../internal/clock.ts';
import { withoutPassword } from '../../../internal/url-password.ts';
import { WireReader } from '../../../internal/wire-reader.ts';

/** A kind of own telemetry, as OTLP's paths name it. */
export type OwnSignal = 'metrics' | 'traces' | 'logs';

/** Sends encoded requests to one receiver. */
export interface OwnSender {
  /** The answer's body; rejects with PermanentError or RetryableError, or the signal's reason. */
  send(request: Uint8Array, signal: AbortSignal): Promise<Uint8Array>;
  close(): Promise<void>;
}

/** What both transports are opened with. */
export interface SenderSettings {
  readonly signal: OwnSignal;
  readonly config: OwnOtlpConfig;
  readonly build: BuildInfo;
  readonly logger: Pick<Logger, 'info' | 'warn'>;
}

const DEFAULT_ENDPOINTS = {
  grpc: 'http://localhost:4317',
  'http/protobuf': 'http://localhost:4318',
} as const satisfies Record<OwnOtlpConfig['protocol'], string>;

/** Where requests go, as configured or by default. */
export function endpointOf({ endpoint, protocol }: OwnOtlpConfig): string {
  return endpoint ?? DEFAULT_ENDPOINTS[protocol];
}

/** What requests carry beside what the protocol asks for. Names are in lower case. */
export function headersOf({ config, build }: SenderSettings): Record<string, string> {
  const headers: Record<string, string> = {
    'user-agent': `${build.command}/${build.version} (${process.platform}/${process.arch})`,
  };
  const list = headersOfList(config.headers_list?.reveal() ?? '') ?? {};
  for (const [name, value] of Object.entries(list)) headers[name.toLowerCase()] = value;
  for (const [name, value] of Object.entries(config.headers)) headers[name.toLowerCase()] = value.reveal();
  return headers;
}

/** The exporter's certificates in the terms of the other sections. */
export function tlsOf(config: OwnOtlpConfig): TlsClientConfig {
  return tlsClientSchema.parse({
    ca_file: config.certificate,
    cert_file: config.client_certificate,
    key_file: config.client_key,
  });
}

/** What one request may take, in milliseconds; 0 is no limit. */
export interface SendLimits {
  readonly attemptMs: number;
  /** With all that is tried again. */
  readonly totalMs: number;
}

const FIRST_WAIT_MS = 1_000;
const MAX_WAIT_MS = 30_000;

/**
 * Sends until it is taken, refused for good, or out of time. Gives what the receiver says that it did not
 * take of it.
 */
export async function deliver(
  sender: OwnSender,
  request: Uint8Array,
  limits: SendLimits,
  clock: Clock,
  signal: AbortSignal,
): Promise<PartialSuccess | undefined> {
  const total = deadline(clock, limits.totalMs, signal);
  try {
    for (let waitMs = FIRST_WAIT_MS; ; waitMs = Math.min(MAX_WAIT_MS, waitMs * 2)) {
      const attempt = deadline(clock, limits.attemptMs, total.signal);
      try {
        return partialSuccess(await sender.send(request, attempt.signal));
      } catch (error) {
        if (total.signal.aborted || error instanceof PermanentError) throw error;
        const least = error instanceof RetryableError ? (error.retryAfterMs ?? 0) : 0;
        const wait = Math.max(least, waitMs * (0.5 + Math.random() / 2));
        if (limits.totalMs > 0 && clock.now() + wait >= total.atMs) throw error;
        await sleep(clock, wait, total.signal);
      } finally {
        attempt.end();
      }
    }
  } finally {
    total.end();
  }
}

function deadline(clock: Clock, ms: number, signal: AbortSignal) {
  const controller = new AbortController();
  const onAbort = (): void => controller.abort(signal.reason);
  if (signal.aborted) onAbort();
  signal.addEventListener('abort', onAbort, { once: true });
  const late = (): void => controller.abort(new RetryableError(`no answer within ${ms} ms`));
  const timer = ms > 0 ? clock.setTimeout(late, ms) : undefined;
  return {
    signal: controller.signal,
    atMs: clock.now() + ms,
    end(): void {
      timer?.cancel();
      signal.removeEventListener('abort', onAbort);
    },
  };
}

/** What a receiver took only in part. */
export interface PartialSuccess {
  readonly rejected: number;
  readonly message: string;
}

/** Of a receiver's message, this much is told. */
const MAX_MESSAGE_BYTES = 1_024;

/** The partial_success of an answer, which has the same fields for all signals. */
function partialSuccess(answer: Uint8Array): PartialSuccess | undefined {
  const found = { rejected: 0, message: '' };
  try {
    const outer = new WireReader(answer, 'OTLP response');
    while (outer.next()) {
      if (outer.field !== 1 || outer.wire !== 2) {
        outer.skip();
        continue;
      }
      const length = outer.uint32();
      const inner = new WireReader(answer, 'OTLP response', outer.pos, outer.pos + length);
      if (inner.end > answer.length) outer.fail('truncated message');
      readPartial(inner, found);
      outer.pos += length;
    }
  } catch (cause) {
    // The request was answered with success; what else the answer says cannot be read.
    return { rejected: 0, message: cause instanceof Error ? cause.message : String(cause) };
  }
  return found.rejected === 0 && found.message === '' ? undefined : found;
}

function readPartial(reader: WireReader, found: { rejected: number; message: string }): void {
  while (reader.next()) {
    if (reader.field === 1 && reader.wire === 0) {
      reader.varint64();
      found.rejected = reader.hi > 0x7fff_ffff ? 0 : reader.hi * 2 ** 32 + reader.lo;
    } else if (reader.field === 2 && reader.wire === 2) {
      const length = reader.uint32();
      if (reader.pos + length > reader.end) reader.fail('truncated text');
      const text = reader.bytes.subarray(reader.pos, reader.pos + Math.min(length, MAX_MESSAGE_BYTES));
      found.message = Buffer.from(text).toString('utf8');
      reader.pos += length;
    } else {
      reader.skip();
    }
  }
}

/** For messages: an endpoint without its password. */
export function shownEndpoint(config: OwnOtlpConfig): string {
  return withoutPassword(endpointOf(config));
}
