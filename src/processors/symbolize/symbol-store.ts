// SPDX-License-Identifier: Apache-2.0
import { stat } from 'node:fs/promises';
import type { Clock } from '../../internal/clock.ts';
import type { DemangleMode, SymbolFile } from '../../native/addon.ts';
import { type FileIdentity, pathsBelow } from './build-id.ts';

/** Where separate debug files of distributions lie. */
const SYSTEM_DIRECTORY = '/usr/lib/debug';
/** Ids that are remembered as not found; more come from a sender that makes them up. */
const MAX_MISSING = 10_000;

export interface SymbolStoreOptions {
  readonly directories: readonly string[];
  readonly useLocalFiles: boolean;
  readonly demangle: DemangleMode;
  readonly maxBytes: number;
  readonly retryMs: number;
  readonly clock: Clock;
  /** The addon's. */
  readonly open: (path: string, buildId: string, demangle: DemangleMode) => Promise<SymbolFile | undefined>;
  /** Gets the path of a file from elsewhere; undefined where there is none. Never rejects. */
  readonly download?: (identity: FileIdentity) => Promise<string | undefined>;
  /** A file that is there and cannot be read. */
  readonly onError: (error: unknown) => void;
}

/** What is known of a file: its symbols, that there are none, or that they are being fetched. */
export type Found = SymbolFile | 'none' | 'pending';

/** Symbol files by build id, opened once, at most so many bytes of them. */
export class SymbolStore {
  readonly #options: SymbolStoreOptions;
  /** The one that was not used for longest comes first. */
  readonly #files = new Map<string, SymbolFile>();
  readonly #opening = new Map<string, Promise<Found>>();
  /** Until when an id is not looked for. */
  readonly #missing = new Map<string, number>();
  readonly #downloads = new Set<string>();
  #bytes = 0;
  evicted = 0;

  constructor(options: SymbolStoreOptions) {
    this.#options = options;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get size(): number {
    return this.#files.size;
  }

  /** Looks on this host, and lets a download run on; what that brings is there at a later call. */
  find(identity: FileIdentity): Promise<Found> {
    const { buildId } = identity;
    const file = this.#files.get(buildId);
    if (file !== undefined) {
      this.#files.delete(buildId);
      this.#files.set(buildId, file);
      return Promise.resolve(file);
    }
    if (this.#downloads.has(buildId)) return Promise.resolve('pending');
    if ((this.#missing.get(buildId) ?? 0) > this.#options.clock.now()) return Promise.resolve('none');
    const running = this.#opening.get(buildId);
    if (running !== undefined) return running;
    const opening = this.#look(identity).finally(() => this.#opening.delete(buildId));
    this.#opening.set(buildId, opening);
    return opening;
  }

  async #look(identity: FileIdentity): Promise<Found> {
    const { directories, useLocalFiles, download } = this.#options;
    const paths = [...directories, SYSTEM_DIRECTORY].flatMap((directory) => pathsBelow(directory, identity));
    if (useLocalFiles && identity.filename.startsWith('/')) paths.push(identity.filename);
    for (const path of paths) {
      const file = await this.#open(path, identity.buildId);
      if (file !== undefined) return file;
    }
    if (download === undefined || !identity.isGnu) {
      this.#miss(identity.buildId);
      return 'none';
    }
    this.#downloads.add(identity.buildId);
    void this.#fetch(identity, download);
    return 'pending';
  }

  async #fetch(
    identity: FileIdentity,
    download: (identity: FileIdentity) => Promise<string | undefined>,
  ): Promise<void> {
    const path = await download(identity);
    const file = path === undefined ? undefined : await this.#open(path, identity.buildId);
    if (file === undefined) this.#miss(identity.buildId);
    this.#downloads.delete(identity.buildId);
  }

  async #open(path: string, buildId: string): Promise<SymbolFile | undefined> {
    const found = await stat(path).catch(() => undefined);
    if (found === undefined || !found.isFile()) return undefined;
    try {
      const file = await this.#options.open(path, buildId, this.#options.demangle);
      if (file !== undefined) this.#keep(buildId, file);
      return file;
    } catch (error) {
      this.#options.onError(error);
      return undefined;
    }
  }

  #keep(buildId: string, file: SymbolFile): void {
    this.#files.set(buildId, file);
    this.#bytes += file.sizeBytes;
    for (const [oldest, old] of this.#files) {
      // The newest stays, however large it is: it is about to be used.
      if (this.#bytes <= this.#options.maxBytes || oldest === buildId) return;
      this.#files.delete(oldest);
      this.#bytes -= old.sizeBytes;
      this.evicted++;
    }
  }

  #miss(buildId: string): void {
    if (this.#missing.size >= MAX_MISSING) {
      const oldest = this.#missing.keys().next();
      if (oldest.done !== true) this.#missing.delete(oldest.value);
    }
    this.#missing.delete(buildId);
    this.#missing.set(buildId, this.#options.clock.now() + this.#options.retryMs);
  }
}
