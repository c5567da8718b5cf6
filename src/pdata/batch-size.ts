// SPDX-License-Identifier: Apache-2.0
import type { ProfilesBatch } from './profiles-batch.ts';

/** Objects around the columns: profiles, scopes, resources and their attributes. */
const OBJECT_BYTES = 256;

/**
 * Bytes of memory that a batch keeps from being freed: every distinct buffer behind its columns and
 * encoded forms, once, plus an allowance for the objects around them.
 */
export function batchSizeBytes(batch: ProfilesBatch): number {
  const buffers = new Set<ArrayBufferLike>();
  const { dictionary } = batch;
  collect(dictionary.tables, buffers);
  if (dictionary.encoded !== undefined) buffers.add(dictionary.encoded.bytes.buffer);
  let objects = 0;
  for (const resource of batch.resources) {
    objects += 1 + resource.resource.attributes.length;
    if (resource.encodedScopes !== undefined) buffers.add(resource.encodedScopes.bytes.buffer);
    for (const scope of resource.scopes) {
      objects += 1 + scope.scope.attributes.length;
      for (const profile of scope.profiles) {
        objects += 2;
        collect(profile.samples, buffers);
        if (profile.originalPayload.length > 0) buffers.add(profile.originalPayload.buffer);
      }
    }
  }
  let bytes = objects * OBJECT_BYTES;
  for (const buffer of buffers) bytes += buffer.byteLength;
  return bytes;
}

function collect(columns: object, into: Set<ArrayBufferLike>): void {
  for (const column of Object.values(columns)) {
    if (ArrayBuffer.isView(column)) into.add(column.buffer);
    else if (typeof column === 'object' && column !== null) collect(column, into);
  }
}
