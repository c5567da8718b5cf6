// SPDX-License-Identifier: Apache-2.0
import { ReverseWriter } from '../../internal/wire-writer.ts';

/** What of a request was not taken while the rest was. */
export interface Rejected {
  readonly profiles: number;
  /** Why, for the developer at the other side. */
  readonly message: string;
}

/**
 * ExportProfilesServiceResponse as protobuf. Without `rejected` it is empty: full success leaves
 * partial_success unset.
 */
export function encodeResponse(rejected?: Rejected): Uint8Array {
  if (rejected === undefined) return new Uint8Array(0);
  const w = new ReverseWriter(32 + rejected.message.length * 3);
  w.stringField(2, rejected.message);
  w.int64Field(1, BigInt(rejected.profiles));
  w.message(1, 0);
  return w.finish();
}

/** The same as JSON; 64-bit numbers are text there. */
export function responseJson(rejected?: Rejected): string {
  if (rejected === undefined) return '{}';
  return JSON.stringify({
    partialSuccess: { rejectedProfiles: String(rejected.profiles), errorMessage: rejected.message },
  });
}
