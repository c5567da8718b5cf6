// SPDX-License-Identifier: Apache-2.0
// Fuzzes the profiles model and the codecs, one target after the other, for as long as is asked. A finding is
// written to .cache/fuzz as TARGET-SEED.bin, shrunk, with its error beside it.
// Usage: npm run fuzz -- [TARGET …] [--seconds N] [--seed S] | --replay FILE …
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { packageRoot } from '../../src/internal/package-root.ts';
import { findingOf, inputOf, readProgress } from './target.ts';
import { openTarget, TARGET_NAMES } from './targets.ts';

const FOLDER = join(packageRoot(), '.cache', 'fuzz');
/** One input that takes longer is a hang; before the first one, what the process takes to start. */
const HANG_MS = 10_000;
const START_MS = 60_000;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { type: 'string', default: '60' },
    seed: { type: 'string' },
    replay: { type: 'boolean', default: false },
  },
});

function keep(name: string, seed: number, input: Uint8Array, error: string): void {
  const path = join(FOLDER, `${name}-${seed}.bin`);
  writeFileSync(path, input);
  writeFileSync(path.replace(/bin$/, 'txt'), `${error}\n`);
  process.stdout.write(`finding: ${path} (${input.length} bytes)\n  ${error.slice(0, 600)}\n`);
}

/** Runs one target; gives its findings. A hang is one, and so is an end that was not asked for. */
async function fuzz(name: string, seed: number, seconds: number): Promise<number> {
  mkdirSync(FOLDER, { recursive: true });
  const progress = openSync(join(FOLDER, `${name}.progress`), 'w+');
  const begun = performance.now();
  const worker = spawn(
    process.execPath,
    ['--import', 'tsx', join(import.meta.dirname, 'worker.ts'), name, String(seed), String(seconds)],
    { stdio: ['ignore', 'pipe', 'inherit', progress] },
  );
  let findings = 0;
  let hung = false;
  assert.ok(worker.stdout);
  createInterface({ input: worker.stdout }).on('line', (line) => {
    const said = JSON.parse(line) as { missing?: string; seed: number; input: string; error: string };
    if (said.missing !== undefined) return process.stdout.write(`${name}: ${said.missing}\n`);
    findings++;
    return keep(name, said.seed, Buffer.from(said.input, 'base64'), said.error);
  });
  const watch = watchForHang(progress, () => {
    hung = true;
    worker.kill('SIGKILL');
  });
  const end = await ended(worker);
  clearInterval(watch);
  const at = readProgress(progress);
  closeSync(progress);
  if (end !== 'exit 0') {
    findings++;
    const error = hung ? `no end after ${HANG_MS} ms` : `the process ended with ${end}`;
    keep(name, at.seed, inputAt(name, at.seed), error);
  }
  const rate = Math.round((at.executions * 1_000) / (performance.now() - begun));
  process.stdout.write(
    `${name}: ${at.executions} executions from seed ${seed}, ${rate}/s, ${at.accepted} accepted, ${findings} findings\n`,
  );
  return findings;
}

function ended(worker: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    worker.on('error', reject);
    worker.on('close', (code, signal) => resolve(signal ?? `exit ${code}`));
  });
}

function inputAt(name: string, seed: number): Uint8Array {
  const { target, close } = openTarget(name);
  const input = target === undefined ? new Uint8Array(0) : inputOf(target, seed, target.captures?.());
  close();
  return input;
}

/** Calls `hung` where nothing was begun for too long. */
function watchForHang(progress: number, hung: () => void): NodeJS.Timeout {
  let last = 0;
  let since = performance.now();
  return setInterval(() => {
    const { executions } = readProgress(progress);
    if (executions !== last) since = performance.now();
    last = executions;
    if (performance.now() - since > (executions === 0 ? START_MS : HANG_MS)) hung();
  }, 500);
}

/** Runs inputs from files again; the name of a file begins with that of its target. */
async function replay(files: readonly string[]): Promise<number> {
  let findings = 0;
  for (const file of files) {
    const name = TARGET_NAMES.find((known) => basename(file).startsWith(`${known}-`));
    if (name === undefined)
      throw new Error(`"${file}" names no target; there are ${TARGET_NAMES.join(', ')}`);
    const { target, missing, close } = openTarget(name);
    if (target === undefined) throw new Error(missing);
    const { outcome, error } = await findingOf(target, new Uint8Array(readFileSync(file)));
    close();
    process.stdout.write(`${file}: ${error ?? outcome}\n`);
    if (error !== undefined) findings++;
  }
  return findings;
}

async function run(): Promise<number> {
  if (values.replay) return await replay(positionals);
  const unknown = positionals.find((name) => !TARGET_NAMES.includes(name));
  if (unknown !== undefined) throw new Error(`no target "${unknown}"; there are ${TARGET_NAMES.join(', ')}`);
  const seed = values.seed === undefined ? Date.now() % 1_000_000_000 : Number(values.seed);
  let findings = 0;
  for (const name of positionals.length > 0 ? positionals : TARGET_NAMES)
    findings += await fuzz(name, seed, Number(values.seconds));
  return findings;
}

process.exitCode = (await run()) === 0 ? 0 : 1;
