// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { type ChildProcessByStdio, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { findJdks, type Jdk } from '../java.ts';

const SOURCES = join(import.meta.dirname, 'java');

/** The path of a tool of a JDK. */
export const javaTool = ({ home }: Jdk, name: string): string => join(home, 'bin', name);

/** The class path of programs of `java/`, compiled into a folder once, for every JDK that there is. */
export function compiledJava(folder: string, names: readonly string[], jars: readonly string[] = []): string {
  const classes = join(folder, names.join('-'));
  const path = [classes, ...jars].join(delimiter);
  if (existsSync(classes)) return path;
  mkdirSync(classes);
  const files = names.map((name) => join(SOURCES, `${name}.java`));
  const oldest = findJdks().toSorted((a, b) => a.major - b.major)[0];
  assert.ok(oldest);
  execFileSync(javaTool(oldest, 'javac'), ['--release', '11', '-d', classes, '-cp', path, ...files]);
  return path;
}

/** A program that works a round for each line it is sent. */
export class JavaWorker {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #lines: AsyncIterator<string>;

  constructor(jdk: Jdk, args: readonly string[], env: NodeJS.ProcessEnv = {}) {
    this.#child = spawn(javaTool(jdk, 'java'), args, {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { ...process.env, ...env },
    });
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  /** The next line that starts with `word`, without it. */
  async line(word: string): Promise<string> {
    for (;;) {
      const { done, value } = await this.#lines.next();
      assert.ok(done !== true, `the program ended before it said "${word}"`);
      if (value.startsWith(word)) return value.slice(word.length).trim();
    }
  }

  async work(): Promise<void> {
    this.#child.stdin.write('go\n');
    await this.line('done');
  }

  /** Stands still from now on, with its connections open. */
  freeze(): void {
    this.#child.kill('SIGSTOP');
  }

  async stop(): Promise<void> {
    const ended = this.#child.exitCode === null ? once(this.#child, 'exit') : undefined;
    this.#child.kill('SIGKILL');
    await ended;
  }
}
