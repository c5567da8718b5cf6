// SPDX-License-Identifier: Apache-2.0
// Small parts of the set-up scripts. They run before anything is installed: Node's own modules only.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** A step that could not be done; `remedy` are the commands that would fix it. */
export class StepError extends Error {
  constructor(message, remedy = []) {
    super(message);
    this.remedy = remedy;
  }
}

/** Runs one step and prints what it does and how long it took. */
export async function step(title, work) {
  const started = performance.now();
  process.stderr.write(`• ${title} …`);
  const interactive = process.stderr.isTTY === true;
  try {
    const note = await work();
    const seconds = (performance.now() - started) / 1000;
    process.stderr.write(
      `${interactive ? `\r• ${title} ` : ' '}${note ?? 'done'} (${seconds.toFixed(1)} s)\n`,
    );
  } catch (error) {
    process.stderr.write(' failed\n');
    throw error;
  }
}

/** Runs a command; its output is shown only when it fails. */
export function run(command, args, options = {}) {
  const result = spawnSync(command, args, { cwd: root, encoding: 'utf8', maxBuffer: 64 << 20, ...options });
  if (result.error !== undefined) throw new StepError(`${command}: ${result.error.message}`);
  if (result.status !== 0) {
    const output = `${result.stdout ?? ''}${result.stderr ?? ''}`.trim().split('\n').slice(-40).join('\n');
    throw new StepError(
      `"${command} ${args.join(' ')}" ended with ${result.status ?? result.signal}\n${output}`,
    );
  }
  return result.stdout ?? '';
}

export function has(command) {
  return (process.env.PATH ?? '').split(':').some((dir) => existsSync(join(dir, command)));
}

/** Hash of the contents and names of files and folders below `paths`. */
export function hashOf(paths) {
  const hash = createHash('sha256');
  const visit = (path) => {
    const full = join(root, path);
    if (!existsSync(full)) return;
    if (statSync(full).isDirectory()) {
      for (const name of readdirSync(full).sort()) visit(join(path, name));
      return;
    }
    hash.update(path).update('\0').update(readFileSync(full)).update('\0');
  };
  for (const path of paths) visit(path);
  return hash.digest('hex');
}

/** Whether `name` was last done with the same inputs and `outputs` are still there. */
export function isFresh(name, key, outputs = []) {
  const stamp = join(root, 'build', 'stamps', name);
  return (
    existsSync(stamp) &&
    readFileSync(stamp, 'utf8') === key &&
    outputs.every((o) => existsSync(join(root, o)))
  );
}

export function markFresh(name, key) {
  mkdirSync(join(root, 'build', 'stamps'), { recursive: true });
  writeFileSync(join(root, 'build', 'stamps', name), key);
}
