// SPDX-License-Identifier: Apache-2.0
import { decodeOtlp } from '../../codecs/otlp/decode.ts';
import { encodeOtlpPieces } from '../../codecs/otlp/encode.ts';
import type { Host, Settings } from '../../component/component.ts';
import { isStorage, type RecordLog, type StoredRecord } from '../../component/storage.ts';
import { PermanentError } from '../../consumer/consumer.ts';
import type { ProfilesBatch } from '../../pdata/profiles-batch.ts';
import { type Quantity, TransportError } from './delivery.ts';

/** The batches of a sending queue on the disk. */
export class StoredQueue {
  readonly #log: RecordLog;

  private constructor(log: RecordLog) {
    this.#log = log;
  }

  /** Opens the log of an exporter. Rejects with Error that names the key where the extension is none that stores. */
  static async open(settings: Settings, host: Host, extension: string): Promise<StoredQueue> {
    const storage = host.extensions.get(extension);
    const key = `sending_queue::storage: extension "${extension}"`;
    if (storage === undefined)
      throw new Error(`${key} is not running: configure it and list it in service::extensions`);
    if (!isStorage(storage)) throw new Error(`${key} stores nothing: name a file_storage`);
    return new StoredQueue(await storage.openLog('exporter', settings.id.text));
  }

  /** What an earlier run left, oldest first. */
  get recovered(): readonly StoredRecord[] {
    return this.#log.recovered;
  }

  /** Keeps a batch. Rejects as `RecordLog.append`. */
  append(batch: ProfilesBatch, quantity: Quantity): Promise<StoredRecord> {
    return this.#log.append(encodeOtlpPieces(batch, { revision: '1.10' }), quantity);
  }

  /** The batch of a record. Rejects with PermanentError where it is damaged. */
  async read(record: StoredRecord): Promise<ProfilesBatch> {
    try {
      return decodeOtlp(await this.#log.read(record));
    } catch (cause) {
      const message = `a stored batch cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`;
      throw new PermanentError(message, { cause: new TransportError('Corrupted', message, { cause }) });
    }
  }

  remove(record: StoredRecord): void {
    this.#log.remove(record);
  }

  close(): Promise<void> {
    return this.#log.close();
  }
}
