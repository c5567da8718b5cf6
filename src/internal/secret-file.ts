// SPDX-License-Identifier: Apache-2.0
import { constants } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { type Clock, systemClock } from './clock.ts';

/** Where problems with files of secrets are told; never given what is in them. */
export type Warn = (message: string, fields: Readonly<Record<string, unknown>>) => void;

const MAX_BYTES = 1024 * 1024;
const OTHERS_MAY_READ = 0o004;
const CHECK_EVERY_MS = 1_000;

/**
 * The text of a file that holds a secret, of at most 1 MiB. Rejects with an Error that names the file.
 * Warns where every user of the host may read it.
 */
export async function readSecretFile(path: string, warn?: Warn): Promise<string> {
  // A pipe that stands in the place of a file must not hold up the start.
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const found = await file.stat();
    if (!found.isFile()) throw new Error(`"${path}" is not a regular file`);
    if (found.size > MAX_BYTES) throw new Error(`"${path}" is larger than ${MAX_BYTES} bytes`);
    if ((found.mode & OTHERS_MAY_READ) !== 0) {
      const mode = (found.mode & 0o7777).toString(8).padStart(4, '0');
      warn?.('file with a secret can be read by every user of this host', {
        path,
        mode,
        fix: 'chmod o-rwx, or defaultMode: 0400 of a Kubernetes secret volume',
      });
    }
    const bytes = Buffer.alloc(MAX_BYTES + 1);
    const { bytesRead } = await file.read(bytes, 0, bytes.length, 0);
    if (bytesRead > MAX_BYTES) throw new Error(`"${path}" is larger than ${MAX_BYTES} bytes`);
    return bytes.toString('utf8', 0, bytesRead);
  } finally {
    await file.close();
  }
}

/**
 * A file of secrets that may change while it is in use: written anew, replaced by a rename, or reached by
 * a symbolic link that is swapped, as Kubernetes does it. Looked at when it is used, at most once a second,
 * so that an idle collector does nothing. What cannot be read or parsed later on leaves the last good value.
 */
export class SecretFile<Value> {
  readonly #path: string;
  readonly #parse: (text: string) => Value;
  readonly #warn: Warn;
  readonly #clock: Clock;
  #value: { readonly parsed: Value; readonly text: string } | undefined;
  #fingerprint = '';
  #checkedAt = Number.NEGATIVE_INFINITY;
  #checking: Promise<void> | undefined;
  #isTold = false;

  /** `parse` throws Error, without the secret in it, where the text is none. */
  constructor(path: string, parse: (text: string) => Value, warn: Warn, clock: Clock = systemClock) {
    this.#path = path;
    this.#parse = parse;
    this.#warn = warn;
    this.#clock = clock;
  }

  /** What is in the file; rejects with an Error that names the file while nothing good was ever in it. */
  async read(): Promise<Value> {
    const isDue = Math.abs(this.#clock.now() - this.#checkedAt) >= CHECK_EVERY_MS;
    if (isDue || this.#value === undefined) await this.#check();
    if (this.#value === undefined) throw new Error(`"${this.#path}" holds nothing that could be used`);
    return this.#value.parsed;
  }

  /** Looks now; true where something else is in the file than before. */
  async hasChanged(): Promise<boolean> {
    const before = this.#value?.text;
    await this.#check();
    return this.#value?.text !== before;
  }

  #check(): Promise<void> {
    this.#checking ??= this.#load().finally(() => (this.#checking = undefined));
    return this.#checking;
  }

  async #load(): Promise<void> {
    this.#checkedAt = this.#clock.now();
    try {
      const { dev, ino, size, mtimeNs, ctimeNs } = await stat(this.#path, { bigint: true });
      const fingerprint = `${dev} ${ino} ${size} ${mtimeNs} ${ctimeNs}`;
      if (fingerprint === this.#fingerprint) return;
      const text = await readSecretFile(this.#path, this.#value === undefined ? this.#warn : undefined);
      this.#value = { parsed: this.#parse(text), text };
      this.#fingerprint = fingerprint;
      this.#isTold = false;
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      if (this.#value === undefined) throw new Error(`failed to load "${this.#path}": ${why}`, { cause });
      if (!this.#isTold)
        this.#warn('file with a secret cannot be loaded again; what it held before stays in use', {
          path: this.#path,
          error: why,
        });
      this.#isTold = true;
    }
  }
}
