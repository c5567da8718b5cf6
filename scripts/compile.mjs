// SPDX-License-Identifier: Apache-2.0
// What the scripts that compile C++ share: commands, incremental compiling and linking.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join, relative } from 'node:path';
import { root } from './steps.mjs';

/** Where the native part and what is built from it lie. */
export const native = join(root, 'native');
export const build = join(root, 'build');

/** The first of these programs that is installed; the last one's name where none is. */
export function firstCommand(...names) {
  return names.find((name) => spawnSync('sh', ['-c', `command -v ${name}`]).status === 0) ?? names.at(-1);
}

/** Runs one step and prints what it did and how long it took. */
export function step(name, run) {
  const started = performance.now();
  return Promise.resolve(run()).then((what) => {
    console.log(
      `${name.padEnd(10)} ${what.padEnd(44)} ${((performance.now() - started) / 1000).toFixed(2)} s`,
    );
  });
}

/** Runs a command with its output shown; rejects where it does not end well. */
export function run(command, commandArgs) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, commandArgs, { stdio: ['ignore', 'inherit', 'inherit'], cwd: root });
    child.on('error', reject);
    child.on('exit', (code) =>
      code === 0 ? resolve() : reject(new Error(`${command} ${commandArgs.at(-1)}: exit code ${code}`)),
    );
  });
}

/**
 * Undefined if `output` is there, newer than its dependencies and made by this command line; else what to call once it is
 * made.
 */
export function isStale(output, source, command) {
  const stamp = createHash('sha256').update(command.join('\0')).digest('hex');
  const record = `${output}.cmd`;
  const stale = () => {
    if (!existsSync(output) || !existsSync(record) || readFileSync(record, 'utf8') !== stamp) return true;
    const madeAt = statSync(output).mtimeMs;
    const dependencies = existsSync(`${output}.d`)
      ? readFileSync(`${output}.d`, 'utf8')
          .replace(/\\\n/g, ' ')
          .split(/\s+/)
          .filter((word) => word && !word.endsWith(':'))
      : [source];
    return dependencies.some((file) => !existsSync(file) || statSync(file).mtimeMs > madeAt);
  };
  return stale() ? () => writeFileSync(record, stamp) : undefined;
}

/** Compiles what is stale; returns all object files and how many were made. */
export async function compileAll(sources, directory, compiler, flags) {
  mkdirSync(directory, { recursive: true });
  const objects = [];
  const todo = [];
  for (const source of sources) {
    const output = join(directory, `${relative(native, source).replaceAll('/', '_')}.o`);
    objects.push(output);
    const command = [compiler, ...flags, '-MMD', '-MF', `${output}.d`, '-c', source, '-o', output];
    const done = isStale(output, source, command);
    if (done) todo.push({ command, done });
  }
  const total = todo.length;
  const worker = async () => {
    for (let job = todo.pop(); job; job = todo.pop()) {
      await run(job.command[0], job.command.slice(1));
      job.done();
    }
  };
  await Promise.all(Array.from({ length: Math.max(2, availableParallelism()) }, worker));
  return { objects, total };
}

/** Links with `linker`, unless the output is newer than all objects and made by the same command. */
export async function link(linker, output, objects, flags) {
  const command = [linker, ...objects, ...flags, '-o', output];
  const newest = Math.max(...objects.map((file) => statSync(file).mtimeMs));
  const done = isStale(output, objects[0], command);
  if (!done && statSync(output).mtimeMs >= newest) return 'up to date';
  await run(linker, command.slice(1));
  done?.();
  return relative(root, output);
}

/** The .cc files of folders, sorted by name in each; of a folder that is not there, none. */
export function sourcesIn(...directories) {
  return directories.flatMap((directory) =>
    existsSync(directory)
      ? readdirSync(directory)
          .filter((name) => name.endsWith('.cc'))
          .sort()
          .map((name) => join(directory, name))
      : [],
  );
}
