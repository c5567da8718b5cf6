// SPDX-License-Identifier: Apache-2.0
import type { ProfilesBatch } from './profiles-batch.ts';
import { isConstant } from './constant-columns.ts';
import type { Table } from './tables.ts';

/** Objects around the columns: profiles, scopes, resources and their attributes. */
const OBJECT_BYTES = 256;

const keptBeside = new WeakMap<ProfilesBatch, readonly Uint8Array[]>();

/** Notes what somebody keeps for as long as there is the batch, which does not refer to it itself. */
export function keepBeside(batch: ProfilesBatch, kept: readonly Uint8Array[]): void {
  keptBeside.set(batch, kept);
}

/**
 * Bytes of memory that a batch keeps from being freed: every distinct buffer behind its columns and
 * encoded forms, and of what is kept beside it, once, plus an allowance for the objects around them.
 */
export function batchSizeBytes(batch: ProfilesBatch): number {
  const buffers = new Set<ArrayBufferLike>();
  for (const { buffer } of keptBeside.get(batch) ?? []) buffers.add(buffer);
  // What it will be made of is what is kept beside it, where anything is.
  if (batch.deferredBytes !== undefined) return Math.max(batch.deferredBytes, sizeOf(buffers)) + OBJECT_BYTES;
  for (const table of Object.values(batch.dictionary.tables)) hold(table, buffers);
  let objects = 0;
  for (const rp of batch.resources) {
    objects += 1 + rp.resource.attributes.length;
    if (rp.encodedScopes !== undefined) {
      buffers.add(rp.encodedScopes.bytes.buffer);
      continue;
    }
    for (const scope of rp.scopes) {
      objects += 1 + scope.scope.attributes.length;
      for (const profile of scope.profiles) {
        objects += 2;
        collect(profile.samples, buffers);
        if (profile.originalPayload.length > 0) buffers.add(profile.originalPayload.buffer);
      }
    }
  }
  return objects * OBJECT_BYTES + sizeOf(buffers);
}

function sizeOf(buffers: ReadonlySet<ArrayBufferLike>): number {
  let bytes = 0;
  for (const { byteLength } of buffers) bytes += byteLength;
  return bytes;
}

/** A table that has its encoded form is counted by it: looking at its columns would make them. */
function hold(table: Table, into: Set<ArrayBufferLike>): void {
  if (table.encoded !== undefined) into.add(table.encoded.bytes.buffer);
  else collect(table, into);
}

function collect(columns: object, into: Set<ArrayBufferLike>): void {
  for (const column of Object.values(columns)) {
    if (ArrayBuffer.isView(column)) {
      if (!isConstant(column)) into.add(column.buffer);
    } else if (typeof column === 'object' && column !== null) collect(column, into);
  }
}
