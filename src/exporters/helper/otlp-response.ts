// SPDX-License-Identifier: Apache-2.0
import { DecodeError, Wire, WireReader } from '../../internal/wire-reader.ts';

/** What a receiver did not take, or has to say, while it took the request. */
export interface PartialSuccess {
  readonly rejectedProfiles: number;
  readonly message: string;
}

/**
 * partial_success of an ExportProfilesServiceResponse; undefined where everything was taken. The receiver
 * has taken the request whatever it answers, so what cannot be read is told as its message.
 */
export function partialSuccess(
  body: Uint8Array,
  encoding: 'proto' | 'json' = 'proto',
): PartialSuccess | undefined {
  try {
    return encoding === 'proto' ? fromProto(body) : fromJson(body);
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    return { rejectedProfiles: 0, message: `the response cannot be read: ${error.message}` };
  }
}

function fromProto(bytes: Uint8Array): PartialSuccess | undefined {
  const r = new WireReader(bytes, 'ExportProfilesServiceResponse');
  let found: PartialSuccess | undefined;
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
      } else if (partial.field === 2 && partial.wire === Wire.Len) message = textOf(partial.view());
      else partial.skip();
    }
    found = orNothing(rejectedProfiles, message);
  }
  return found;
}

function fromJson(body: Uint8Array): PartialSuccess | undefined {
  if (body.length === 0) return undefined;
  const partial = property(parseJson(body), 'partialSuccess', 'partial_success');
  const rejected = Number(property(partial, 'rejectedProfiles', 'rejected_profiles') ?? 0);
  const message = property(partial, 'errorMessage', 'error_message');
  return orNothing(Number.isFinite(rejected) ? rejected : 0, typeof message === 'string' ? message : '');
}

function orNothing(rejectedProfiles: number, message: string): PartialSuccess | undefined {
  return rejectedProfiles === 0 && message === '' ? undefined : { rejectedProfiles, message };
}

/** The message of a google.rpc.Status, or undefined where the body is none. */
export function statusMessage(body: Uint8Array, encoding: 'proto' | 'json'): string | undefined {
  try {
    if (encoding === 'proto') return statusMessageProto(body);
    const message = property(parseJson(body), 'message');
    return typeof message === 'string' ? message : undefined;
  } catch (error) {
    if (error instanceof DecodeError) return undefined;
    throw error;
  }
}

/** Status: code = 1, message = 2. */
function statusMessageProto(bytes: Uint8Array): string | undefined {
  const r = new WireReader(bytes, 'google.rpc.Status');
  let message: string | undefined;
  while (r.next()) {
    if (r.field === 2 && r.wire === Wire.Len) message = textOf(r.view());
    else r.skip();
  }
  return message;
}

const textOf = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

function parseJson(body: Uint8Array): unknown {
  try {
    return JSON.parse(textOf(body));
  } catch (cause) {
    throw new DecodeError('JSON', 0, cause instanceof Error ? cause.message : String(cause), { cause });
  }
}

function property(value: unknown, ...names: readonly string[]): unknown {
  if (typeof value !== 'object' || value === null) return undefined;
  for (const name of names) if (Object.hasOwn(value, name)) return Reflect.get(value, name);
  return undefined;
}
