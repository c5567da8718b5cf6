// SPDX-License-Identifier: Apache-2.0
import { createWriteStream } from 'node:fs';
import { lstat, mkdir, readdir, rename, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { request } from 'undici';

export interface DebuginfodOptions {
  readonly urls: readonly string[];
  readonly directory: string;
  readonly maxCacheBytes: number;
  readonly maxFileBytes: number;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  readonly onDownload: (outcome: 'cached' | 'downloaded' | 'not_found' | 'failed') => void;
  readonly onError: (error: unknown) => void;
}

/** Downloads at one time: a gateway that starts meets many unknown files at once. */
const MAX_RUNNING = 4;
/** Nothing else may become part of a path or URL. */
const BUILD_ID = /^[0-9a-f]{8,128}$/;
const KINDS = ['debuginfo', 'executable'] as const;
/** What a process writes to until a file is whole; older than ABANDONED_MS it has died over it. */
const UNFINISHED = /^(debuginfo|executable)\.\d+-\d+\.part$/;
const ABANDONED_MS = 24 * 3600 * 1000;

/**
 * Gets files by build id from debuginfod servers into a directory, in debuginfod's layout. Removes what downloads that
 * never ended left in it, once, at the start.
 * Source: https://sourceware.org/elfutils/Debuginfod.html, debuginfod(8) "WEBAPI".
 */
export class Debuginfod {
  readonly #options: DebuginfodOptions;
  readonly #waiting: (() => void)[] = [];
  #running = 0;
  #written = 0;
  /** Never rejects. */
  readonly #swept: Promise<void>;

  constructor(options: DebuginfodOptions) {
    this.#options = options;
    this.#swept = this.#sweep().catch((error: unknown) => options.onError(error));
  }

  /** The path of the file; undefined where no server has it, or none could give it. */
  async download(buildId: string): Promise<string | undefined> {
    if (!BUILD_ID.test(buildId)) return undefined;
    await this.#swept;
    await this.#turn();
    try {
      return await this.#ask(buildId);
    } catch (error) {
      this.#options.onDownload('failed');
      if (!this.#options.signal.aborted) this.#options.onError(error);
      return undefined;
    } finally {
      this.#running--;
      this.#waiting.shift()?.();
    }
  }

  async #sweep(): Promise<void> {
    const { directory } = this.#options;
    for (const buildId of await namesIn(directory)) {
      if (!BUILD_ID.test(buildId)) continue;
      const folder = join(directory, buildId);
      for (const name of (await namesIn(folder)).filter((of) => UNFINISHED.test(of))) {
        const path = join(folder, name);
        const found = await lstat(path).catch(() => undefined);
        if (found?.isFile() === true && found.mtimeMs < Date.now() - ABANDONED_MS)
          await rm(path, { force: true });
      }
    }
  }

  async #turn(): Promise<void> {
    if (this.#running >= MAX_RUNNING) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#running++;
  }

  async #ask(buildId: string): Promise<string | undefined> {
    const cached = await this.#cached(buildId);
    if (cached !== undefined) {
      this.#options.onDownload('cached');
      return cached;
    }
    let failure: unknown;
    for (const kind of KINDS) {
      for (const url of this.#options.urls) {
        try {
          const path = await this.#get(url, buildId, kind);
          if (path === undefined) continue;
          this.#options.onDownload('downloaded');
          return path;
        } catch (error) {
          failure = error;
        }
      }
    }
    if (failure !== undefined) throw failure;
    this.#options.onDownload('not_found');
    return undefined;
  }

  async #cached(buildId: string): Promise<string | undefined> {
    for (const kind of KINDS) {
      const path = join(this.#options.directory, buildId, kind);
      const known = await stat(path).catch(() => undefined);
      if (known?.isFile() !== true) continue;
      // What is used stays: the age of a file is the time of its last use.
      await utimes(path, new Date(), known.mtime);
      return path;
    }
    return undefined;
  }

  async #get(url: string, buildId: string, kind: string): Promise<string | undefined> {
    const { directory, timeoutMs, signal } = this.#options;
    const folder = join(directory, buildId);
    const path = join(folder, kind);
    const from = `${url.replace(/\/$/, '')}/buildid/${buildId}/${kind}`;
    const both = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
    const { statusCode, body } = await request(from, {
      signal: both,
      headersTimeout: timeoutMs,
      bodyTimeout: timeoutMs,
    });
    if (statusCode !== 200) {
      await body.dump();
      if (statusCode === 404) return undefined;
      throw new Error(`${from} answered ${statusCode}`);
    }
    await mkdir(folder, { recursive: true });
    // Another client, or another process, may be getting the same file.
    const unfinished = `${path}.${process.pid}-${this.#written++}.part`;
    try {
      const file = createWriteStream(unfinished, { flags: 'wx' });
      await pipeline(body, this.#limit(from), file, { signal: both });
      await rename(unfinished, path);
    } catch (error) {
      await rm(unfinished, { force: true });
      throw error;
    }
    await this.#makeRoom(buildId);
    return path;
  }

  #limit(from: string): Transform {
    const { maxFileBytes } = this.#options;
    let bytes = 0;
    return new Transform({
      transform(chunk: Buffer, _encoding, done) {
        bytes += chunk.length;
        if (bytes <= maxFileBytes) done(null, chunk);
        else done(new Error(`${from} is larger than ${maxFileBytes} bytes; raise "max_file_mib"`));
      },
    });
  }

  /** Removes what was not used for longest, until all files fit; the new one stays. */
  async #makeRoom(newest: string): Promise<void> {
    const { directory, maxCacheBytes } = this.#options;
    const files: { path: string; bytes: number; usedMs: number }[] = [];
    for (const buildId of await readdir(directory)) {
      for (const kind of KINDS) {
        const path = join(directory, buildId, kind);
        const found = await stat(path).catch(() => undefined);
        if (found === undefined) continue;
        const usedMs = buildId === newest ? Number.POSITIVE_INFINITY : found.atimeMs;
        files.push({ path, bytes: found.size, usedMs });
      }
    }
    let bytes = files.reduce((sum, file) => sum + file.bytes, 0);
    for (const file of files.sort((a, b) => a.usedMs - b.usedMs)) {
      if (bytes <= maxCacheBytes || file.usedMs === Number.POSITIVE_INFINITY) return;
      await rm(file.path, { force: true });
      bytes -= file.bytes;
    }
  }
}

/** What is in a directory; nothing where there is none. */
async function namesIn(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR'))
      return [];
    throw error;
  }
}
