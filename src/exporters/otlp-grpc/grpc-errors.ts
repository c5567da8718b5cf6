// SPDX-License-Identifier: Apache-2.0
import { type Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { PermanentError, RetryableError } from '../../consumer/consumer.ts';
import { DecodeError, Wire, WireReader } from '../../internal/wire-reader.ts';
import { TransportError } from '../helper/delivery.ts';

/** Source: https://github.com/open-telemetry/opentelemetry-proto/blob/main/docs/specification.md#failures */
const RETRYABLE: ReadonlySet<number> = new Set([
  status.CANCELLED,
  status.DEADLINE_EXCEEDED,
  status.ABORTED,
  status.OUT_OF_RANGE,
  status.UNAVAILABLE,
  status.DATA_LOSS,
]);

const RETRY_INFO = 'type.googleapis.com/google.rpc.RetryInfo';

/** A failed call as the error class that says whether and when to try again. */
export function fromServiceError(error: ServiceError): PermanentError | RetryableError {
  const code = isBrokenConnection(error) ? status.UNAVAILABLE : error.code;
  const name = status[code] ?? String(code);
  const message = `rpc error: code = ${pascalCase(name)} desc = ${error.details}`;
  const cause = new TransportError(pascalCase(name, '_'), message);
  const retryAfterMs = retryDelayMs(error.metadata);
  const isThrottled = code === status.RESOURCE_EXHAUSTED && retryAfterMs !== undefined;
  if (!RETRYABLE.has(code) && !isThrottled) return new PermanentError(message, { cause });
  return new RetryableError(message, { cause, ...(retryAfterMs !== undefined && { retryAfterMs }) });
}

/**
 * grpc-js reports most connections that break under a call as INTERNAL; a server's own INTERNAL has
 * other words. Source: @grpc/grpc-js subchannel-call.ts.
 */
function isBrokenConnection(error: ServiceError): boolean {
  return error.code === status.INTERNAL && error.details.includes('triggered by internal client error');
}

/** `INVALID_ARGUMENT` → `InvalidArgument`, as Go spells the codes. */
function pascalCase(name: string, separator = ''): string {
  return name
    .split('_')
    .map((word) => word.charAt(0) + word.slice(1).toLowerCase())
    .join(separator);
}

/** `retry_delay` of a google.rpc.RetryInfo among the status details; undefined where there is none. */
function retryDelayMs(metadata: Metadata): number | undefined {
  for (const details of metadata.get('grpc-status-details-bin')) {
    if (typeof details === 'string') continue;
    try {
      return statusRetryDelayMs(details);
    } catch (error) {
      // Details are an extra: what cannot be read says nothing, the status code still counts.
      if (!(error instanceof DecodeError)) throw error;
    }
  }
  return undefined;
}

/** google.rpc.Status: details = 3, each a google.protobuf.Any: type_url = 1, value = 2. */
function statusRetryDelayMs(bytes: Uint8Array): number | undefined {
  const r = new WireReader(bytes, 'google.rpc.Status');
  let delayMs: number | undefined;
  while (r.next()) {
    if (r.field !== 3 || r.wire !== Wire.Len) {
      r.skip();
      continue;
    }
    const any = new WireReader(r.view(), r.format);
    let type = '';
    let value = new Uint8Array(0);
    while (any.next()) {
      if (any.wire !== Wire.Len) any.skip();
      else if (any.field === 1) type = Buffer.from(any.view()).toString();
      else value = any.view().slice();
    }
    if (type === RETRY_INFO) delayMs = durationMs(value);
  }
  return delayMs;
}

/** RetryInfo: retry_delay = 1, a Duration: seconds = 1, nanos = 2. */
function durationMs(bytes: Uint8Array): number {
  const info = new WireReader(bytes, 'google.rpc.RetryInfo');
  let seconds = 0n;
  let nanos = 0n;
  while (info.next()) {
    if (info.field !== 1 || info.wire !== Wire.Len) {
      info.skip();
      continue;
    }
    const r = new WireReader(info.view(), info.format);
    while (r.next()) {
      if (r.wire !== Wire.Varint) {
        r.skip();
        continue;
      }
      r.varint64();
      if (r.field === 1) seconds = r.i64();
      else if (r.field === 2) nanos = r.i64();
    }
  }
  return Math.max(0, Number(seconds) * 1000 + Number(nanos) / 1e6);
}

/** partial_success of an ExportProfilesServiceResponse; undefined where everything was taken. */
export function partialSuccess(bytes: Uint8Array): { rejectedProfiles: number; message: string } | undefined {
  const r = new WireReader(bytes, 'ExportProfilesServiceResponse');
  let found: { rejectedProfiles: number; message: string } | undefined;
  while (r.next()) {
    if (r.field !== 1 || r.wire !== Wire.Len) {
      r.skip();
      continue;
    }
    const partial = new WireReader(r.view(), r.format);
    let rejectedProfiles = 0;
    let message = '';
    while (partial.next()) {
      if (partial.field === 1 && partial.wire === Wire.Varint) {
        partial.varint64();
        rejectedProfiles = Number(partial.i64());
      } else if (partial.field === 2 && partial.wire === Wire.Len)
        message = Buffer.from(partial.view()).toString();
      else partial.skip();
    }
    if (rejectedProfiles !== 0 || message !== '') found = { rejectedProfiles, message };
  }
  return found;
}
