// SPDX-License-Identifier: Apache-2.0
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { createInterface, type Interface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import type { MeasureAnswer, MeasureRequest } from './worker.ts';

/**
 * A child process that measures operations on files. Each side of a comparison has a process of its own:
 * what one leaves on its heap or makes its compiler believe is nobody else's cost.
 */
export class Contender {
  readonly name: string;
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #lines: AsyncIterator<string>;
  readonly #reader: Interface;

  constructor(
    name: string,
    command: string,
    args: readonly string[],
    env: Readonly<Record<string, string>> = {},
  ) {
    this.name = name;
    this.#child = spawn(command, args, {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { ...process.env, ...env },
    });
    this.#reader = createInterface({ input: this.#child.stdout });
    this.#lines = this.#reader[Symbol.asyncIterator]();
  }

  /** CPU seconds of one call. Rejects with what the child says is wrong. */
  async measure(op: string, files: readonly string[], seconds: number): Promise<number> {
    const asked: MeasureRequest = { op, files, seconds };
    this.#child.stdin.write(`${JSON.stringify(asked)}\n`);
    const line = await this.#lines.next();
    if (line.done === true) throw new Error(`${this.name} ended in "${op}"`);
    const got = JSON.parse(line.value) as MeasureAnswer;
    if (got.error !== undefined) throw new Error(`${this.name}, ${op}: ${got.error}`);
    return got.cpuSeconds / got.calls;
  }

  stop(): void {
    this.#child.stdin.end();
    this.#reader.close();
  }
}
