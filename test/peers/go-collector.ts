// SPDX-License-Identifier: Apache-2.0
import { execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { packageRoot } from '../../src/internal/package-root.ts';
import { needGo } from '../go.ts';

const SOURCE = join(import.meta.dirname, 'go-collector');
const GATE = '--feature-gates=service.profilesSupport';

/** The Go Collector of test/peers/go-collector; it is built once (two minutes on two cores) and kept in `.cache`. */
export async function needGoCollector(): Promise<string> {
  const hash = createHash('sha256');
  for (const name of readdirSync(SOURCE).sort()) hash.update(name).update(readFileSync(join(SOURCE, name)));
  const folder = join(packageRoot(), '.cache', 'go-collector', hash.digest('hex').slice(0, 16));
  const binary = join(folder, 'go-collector');
  if (existsSync(binary)) return binary;
  mkdirSync(folder, { recursive: true });
  const flags = ['build', '-trimpath', '-ldflags=-s -w', '-o', binary, '.'];
  await promisify(execFile)(needGo(), flags, { cwd: SOURCE });
  return binary;
}

/** What a command of it said. */
export interface GoAnswer {
  readonly ok: boolean;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs `validate` or `print-config` on a file, with only these variables in its environment. */
export async function askGo(
  binary: string,
  command: readonly string[],
  file: string,
  env: Readonly<Record<string, string>>,
): Promise<GoAnswer> {
  const run = promisify(execFile);
  try {
    const { stdout, stderr } = await run(binary, [...command, GATE, '--config', file], { env });
    return { ok: true, stdout, stderr };
  } catch (error) {
    if (!(error instanceof Error && 'stderr' in error)) throw error;
    return { ok: false, stdout: '', stderr: String(error.stderr) };
  }
}

/** Starts it with a configuration; resolves when it takes requests. `stop` resolves when it has ended. */
export async function runGo(binary: string, yaml: string): Promise<{ stop(): Promise<void> }> {
  const child = spawn(binary, [GATE, '--config', `yaml:${yaml}`], { stdio: ['ignore', 'ignore', 'pipe'] });
  const ended = once(child, 'exit');
  const said: string[] = [];
  await new Promise<void>((resolve, reject) => {
    createInterface(child.stderr).on('line', (line) => {
      said.push(line);
      if (line.includes('Everything is ready')) resolve();
    });
    child.once('exit', () => reject(new Error(said.join('\n'))));
  });
  return {
    stop: async () => {
      child.kill();
      await ended;
    },
  };
}
