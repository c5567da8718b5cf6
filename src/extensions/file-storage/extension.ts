// SPDX-License-Identifier: Apache-2.0
import { accessSync, constants, mkdirSync, statfsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Host, Settings } from '../../component/component.ts';
import type { RecordLog, StorageExtension } from '../../component/storage.ts';
import type { Counter } from '../../component/telemetry.ts';
import { type Clock, sleep, systemClock } from '../../internal/clock.ts';
import type { Config } from './config.ts';
import { lockDirectory } from './directory-lock.ts';
import { FileRecordLog, type Room } from './record-log.ts';

const MAX_SEGMENT_BYTES = 64 * 1024 * 1024;
const MIN_SEGMENT_BYTES = 256 * 1024;
/** Room comes back by the segment: on a small disk they are smaller. */
const SEGMENTS_A_DISK = 16;
const LOCK_POLL_MS = 50;
const WRITABLE_BY_OTHERS = 0o022;

/** Keeps the logs of other components in a directory, one folder an owner; see README.md. */
export class FileStorageExtension implements StorageExtension {
  readonly #settings: Settings;
  readonly #config: Config;
  readonly #clock: Clock;
  #segmentBytes: number | undefined;
  readonly #room: Room;
  readonly #open = new Map<string, FileRecordLog>();
  readonly #recovered: Counter;
  readonly #skipped: Counter;
  readonly #troubles: Counter;
  #unlock: (() => void) | undefined;

  constructor(settings: Settings, config: Config, clock: Clock = systemClock, segmentBytes?: number) {
    this.#settings = settings;
    this.#config = config;
    this.#clock = clock;
    this.#segmentBytes = segmentBytes;
    this.#room = { usedBytes: 0, maxBytes: config.max_size };
    const { meter } = settings;
    meter.observe('gauge', 'extension_storage_size_bytes', 'Bytes on the disk in use', [], () => [
      { value: this.#room.usedBytes },
    ]);
    meter.observe(
      'gauge',
      'extension_storage_capacity_bytes',
      'Bytes that may be used, 0 = no limit',
      [],
      () => [{ value: config.max_size }],
    );
    this.#recovered = meter.counter(
      'extension_storage_recovered_records',
      'Records that an earlier run had left to deliver',
    );
    this.#skipped = meter.counter(
      'extension_storage_skipped_bytes',
      'Bytes of an earlier run that are no whole record',
    );
    this.#troubles = meter.counter(
      'extension_storage_errors',
      'Errors with files that concern no single append',
    );
  }

  async start(_host: Host, signal: AbortSignal): Promise<void> {
    const { directory, create_directory, directory_permissions, timeout } = this.#config;
    if (create_directory)
      mkdirSync(directory, { recursive: true, mode: Number.parseInt(directory_permissions, 8) });
    const stat = statSync(directory, { throwIfNoEntry: false });
    if (stat?.isDirectory() !== true)
      throw new Error(`"${directory}" is no directory (create_directory: true makes it)`);
    accessSync(directory, constants.W_OK | constants.X_OK);
    if ((stat.mode & WRITABLE_BY_OTHERS) !== 0 && (stat.mode & 0o1000) === 0) {
      this.#settings.logger.warn('the storage directory is writable by others', {
        directory,
        mode: (stat.mode & 0o777).toString(8),
      });
    }
    this.#segmentBytes ??= segmentBytesFor(directory, this.#config.max_size);
    for (const endMs = this.#clock.elapsed() + timeout; ; ) {
      this.#unlock = lockDirectory(directory);
      if (this.#unlock !== undefined) return;
      if (this.#clock.elapsed() >= endMs) throw new Error(`another process has the storage "${directory}"`);
      await sleep(this.#clock, LOCK_POLL_MS, signal);
    }
  }

  async openLog(kind: string, owner: string): Promise<RecordLog> {
    if (this.#unlock === undefined || this.#segmentBytes === undefined)
      throw new Error(`extension "${this.#settings.id.text}" is not started`);
    // The name of a component may hold a slash, and dots.
    const name = encodeURIComponent(`${kind}_${owner}`).replaceAll('.', '%2E');
    if (this.#open.has(name)) throw new Error(`the log of ${kind} "${owner}" is open already`);
    const { logger } = this.#settings;
    const log = new FileRecordLog({
      directory: join(this.#config.directory, name),
      room: this.#room,
      sync: this.#config.fsync,
      segmentBytes: this.#segmentBytes,
      onTrouble: (what, error) => {
        this.#troubles.add(1);
        logger.error(what, error === undefined ? {} : { error });
      },
    });
    this.#recovered.add(log.recovery.records);
    this.#skipped.add(log.recovery.skippedBytes);
    this.#open.set(name, log);
    return {
      recovered: log.recovered,
      append: (pieces, counts) => log.append(pieces, counts),
      read: (record) => log.read(record),
      remove: (record) => log.remove(record),
      close: async () => {
        if (this.#open.delete(name)) await log.close();
      },
    };
  }

  async shutdown(_deadline: AbortSignal): Promise<void> {
    for (const log of this.#open.values()) await log.close();
    this.#open.clear();
    this.#unlock?.();
    this.#unlock = undefined;
  }
}

function segmentBytesFor(directory: string, maxBytes: number): number {
  const { bsize, blocks } = statfsSync(directory);
  const roomBytes = Math.min(bsize * blocks || Infinity, maxBytes || Infinity);
  return Math.max(MIN_SEGMENT_BYTES, Math.min(MAX_SEGMENT_BYTES, Math.floor(roomBytes / SEGMENTS_A_DISK)));
}
