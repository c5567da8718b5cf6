// SPDX-License-Identifier: Apache-2.0
import { DecodeError, Wire, WireReader } from '../internal/wire-reader.ts';
import { ReverseWriter } from '../internal/wire-writer.ts';

/** Type of the only detail that is written and read. */
export const RETRY_INFO = 'type.googleapis.com/google.rpc.RetryInfo';

interface Status {
  readonly code: number;
  readonly message: string;
  readonly retryAfterMs?: number | undefined;
}

/** google.rpc.Status; a wait goes along as google.rpc.RetryInfo. */
export function encodeStatus({ code, message, retryAfterMs }: Status): Uint8Array {
  const w = new ReverseWriter(64 + message.length * 3);
  if (retryAfterMs !== undefined) {
    const detail = w.length;
    const duration = w.length;
    const nanos = Math.round(retryAfterMs * 1_000_000);
    w.int32Field(2, nanos % 1_000_000_000);
    w.int32Field(1, Math.floor(nanos / 1_000_000_000));
    w.message(1, duration);
    w.varint(w.length - duration);
    w.tag(2, Wire.Len);
    w.stringField(1, RETRY_INFO);
    w.message(3, detail);
  }
  w.stringField(2, message);
  w.int32Field(1, code);
  return w.finish();
}

/** The wait of the RetryInfo in a google.rpc.Status. Details are an extra: unreadable ones say nothing. */
export function retryAfterMsOf(status: Uint8Array): number | undefined {
  try {
    return statusRetryDelayMs(status);
  } catch (error) {
    if (error instanceof DecodeError) return undefined;
    throw error;
  }
}

/** Status: details = 3, each a google.protobuf.Any: type_url = 1, value = 2. */
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
