// SPDX-License-Identifier: Apache-2.0
import type { Component, Extension } from './component.ts';

/** What a record stands for, kept beside it so that nobody need read it to count. */
export interface RecordCounts {
  readonly samples: number;
  readonly events: number;
}

/** A record that was accepted and not removed. */
export interface StoredRecord {
  /** Its place; of no meaning to anybody but the log. */
  readonly id: number;
  /** Size of its payload. */
  readonly bytes: number;
  readonly counts: RecordCounts;
}

/**
 * Records that outlive the process, in the order in which they were appended. A record is kept from the moment
 * `append` resolves until `remove`; one that was removed just before the process died may come back.
 */
export interface RecordLog {
  /** What an earlier run left, oldest first. */
  readonly recovered: readonly StoredRecord[];
  /**
   * Keeps a payload, given in pieces. Rejects with RetryableError where there is no room or the disk refuses, with
   * PermanentError where the payload is larger than any record may be.
   */
  append(pieces: readonly Uint8Array[], counts: RecordCounts): Promise<StoredRecord>;
  /** The payload. Rejects with PermanentError where it is not what was appended any more. */
  read(record: StoredRecord): Promise<Uint8Array>;
  /** Gives the record's room back, soon. */
  remove(record: StoredRecord): void;
  /** Writes what is on its way and lets go of the files. Once. */
  close(): Promise<void>;
}

/** An extension that keeps records for other components. */
export interface StorageExtension extends Extension {
  /**
   * The log of one owner, `exporter` and `otlp_grpc/eu` for example, for it alone until it is closed. Rejects with
   * Error where it cannot be had.
   */
  openLog(kind: string, owner: string): Promise<RecordLog>;
}

/** Whether an extension keeps records. */
export function isStorage(component: Component): component is StorageExtension {
  return 'openLog' in component && typeof component.openLog === 'function';
}
