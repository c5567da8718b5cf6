// SPDX-License-Identifier: Apache-2.0
import type { Counter } from '../../component/telemetry.ts';
import type { OutputFile } from './output-file.ts';

/** More groups than this in one run are no grouping: names come from the network. */
export const MAX_GROUPS = 10_000;

/** Files by path, of which only so many are open at a time: the one not written for longest is closed. */
export class OutputFiles {
  readonly #make: (path: string) => OutputFile;
  readonly #maxOpen: number;
  readonly #files = new Map<string, OutputFile>();
  /** Files that may be open, the one written last at the end. */
  readonly #recent = new Set<string>();
  readonly #opened: Counter | undefined;

  constructor(make: (path: string) => OutputFile, maxOpen: number, opened?: Counter) {
    this.#make = make;
    this.#maxOpen = maxOpen;
    this.#opened = opened;
  }

  has(path: string): boolean {
    return this.#files.has(path);
  }

  get size(): number {
    return this.#files.size;
  }

  /** Appends to the file at `path`; rejects as `OutputFile.append` does. */
  async append(path: string, message: readonly Uint8Array[]): Promise<void> {
    let file = this.#files.get(path);
    if (file === undefined) {
      file = this.#make(path);
      // Kept after it was closed: it knows that it must continue the file and not empty it.
      this.#files.set(path, file);
      this.#opened?.add(1);
    }
    this.#recent.delete(path);
    this.#recent.add(path);
    const [oldest] = this.#recent;
    if (this.#recent.size > this.#maxOpen && oldest !== undefined) {
      this.#recent.delete(oldest);
      await this.#files.get(oldest)?.close();
    }
    await file.append(message);
    // While another was closed this one may have had to make room itself.
    if (!this.#recent.has(path)) await file.close();
  }

  async flush(): Promise<void> {
    for (const path of [...this.#recent]) await this.#files.get(path)?.flush();
  }

  /** Closes all; rejects with what went wrong after trying each. */
  async close(): Promise<void> {
    const results = await Promise.allSettled([...this.#files.values()].map((file) => file.close()));
    const errors = results.flatMap((r) => (r.status === 'rejected' ? [r.reason as unknown] : []));
    if (errors.length > 0) throw new AggregateError(errors, errors.map(String).join('; '));
  }
}
