// SPDX-License-Identifier: Apache-2.0
import { z } from 'zod';
import type { Host, Settings } from '../../component/component.ts';
import { isStorage, type RecordLog, type StoredRecord } from '../../component/storage.ts';
import type { Counter } from '../../component/telemetry.ts';
import type { FilePosition } from './watched-file.ts';

/** Of files that are not there any more; what was noted first goes first. */
const MAX_POSITIONS = 20_000;
/** No record of a position is larger. */
const MAX_RECORD_BYTES = 4_096;
/** After so many all are written anew, so that none keeps an old part of the log on the disk. */
const SAVES_A_ROUND = 4_096;
const NOTHING = { samples: 0, events: 0 };

const recordSchema = z.strictObject({
  file: z.string().max(64),
  offset: z.int().min(0),
  passing: z.boolean(),
  beginBytes: z.int().min(0).max(1024),
  beginHash: z.string().max(64),
});

interface Saved {
  readonly position: FilePosition;
  readonly record: StoredRecord;
}

/** How far files are read, kept over restarts by an extension that stores. */
export class Positions {
  readonly #log: RecordLog;
  readonly #settings: Settings;
  readonly #errors: Counter;
  /** By device and inode, in the order in which they were noted. */
  readonly #saved = new Map<string, Saved>();
  #saves = 0;
  #fails = false;

  private constructor(log: RecordLog, settings: Settings) {
    this.#log = log;
    this.#settings = settings;
    this.#errors = settings.meter.counter(
      'receiver_file_position_errors',
      'Number of times that the place in a file could not be kept',
    );
  }

  /** Opens the log of a receiver. Rejects with Error that names the key where the extension is none that stores. */
  static async open(settings: Settings, host: Host, extension: string): Promise<Positions> {
    const storage = host.extensions.get(extension);
    const key = `storage: extension "${extension}"`;
    if (storage === undefined)
      throw new Error(`${key} is not running: configure it and list it in service::extensions`);
    if (!isStorage(storage)) throw new Error(`${key} stores nothing: name a file_storage`);
    const positions = new Positions(await storage.openLog('receiver', settings.id.text), settings);
    await positions.#recover();
    return positions;
  }

  async #recover(): Promise<void> {
    for (const record of this.#log.recovered) {
      try {
        if (record.bytes > MAX_RECORD_BYTES) throw new Error(`a position of ${record.bytes} bytes`);
        const text = Buffer.from(await this.#log.read(record)).toString();
        const { file, ...position } = recordSchema.parse(JSON.parse(text));
        this.#replace(file, { position, record });
      } catch (error) {
        this.#failed(error);
        this.#log.remove(record);
      }
    }
    const files = this.#saved.size;
    if (files > 0) this.#settings.logger.info('reading goes on where an earlier run was', { files });
  }

  /** Where an earlier run was in a file. */
  get(file: string): FilePosition | undefined {
    return this.#saved.get(file)?.position;
  }

  /** Notes a place. What cannot be kept is counted, and read again by the next run. */
  async save(file: string, position: FilePosition): Promise<void> {
    const known = this.#saved.get(file)?.position;
    if (known?.offset === position.offset && known.beginHash === position.beginHash) return;
    await this.#append(file, position);
    if (++this.#saves % SAVES_A_ROUND !== 0) return;
    for (const [key, saved] of [...this.#saved]) await this.#append(key, saved.position);
  }

  async #append(file: string, position: FilePosition): Promise<void> {
    try {
      const record = await this.#log.append([Buffer.from(JSON.stringify({ file, ...position }))], NOTHING);
      this.#replace(file, { position, record });
      this.#fails = false;
    } catch (error) {
      this.#failed(error);
    }
  }

  #replace(file: string, saved: Saved): void {
    this.forget(file);
    this.#saved.set(file, saved);
    for (const oldest of this.#saved.keys()) {
      if (this.#saved.size <= MAX_POSITIONS) return;
      this.forget(oldest);
    }
  }

  /** The file is gone. */
  forget(file: string): void {
    const saved = this.#saved.get(file);
    if (saved === undefined) return;
    this.#saved.delete(file);
    this.#log.remove(saved.record);
  }

  #failed(error: unknown): void {
    this.#errors.add(1);
    if (!this.#fails)
      this.#settings.logger.error('places in files cannot be kept; a restart reads again', { error });
    this.#fails = true;
  }

  close(): Promise<void> {
    return this.#log.close();
  }
}
