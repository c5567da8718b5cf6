// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { packageRoot } from '../../src/internal/package-root.ts';
import { type Account, eventsOf, type SeenProcess } from './recording.ts';
import { WORKLOADS } from './workloads.ts';

/** Programs of workloads/trouble.c and burn.c. */
export interface Trouble {
  readonly program: string;
  /** The same, linked statically: starts in a fraction of the time. */
  readonly small: string;
  readonly burn: string;
}

export function buildTrouble(dir: string): Trouble {
  const source = join(packageRoot(), 'test', 'e2e', 'workloads', 'trouble.c');
  const [program, small] = [join(dir, 'trouble'), join(dir, 'trouble-small')];
  execFileSync('gcc', ['-O1', '-pthread', '-o', program, source]);
  execFileSync('gcc', ['-O1', '-pthread', '-static', '-o', small, source]);
  const c = WORKLOADS.find((w) => w.name === 'c');
  assert.ok(c !== undefined);
  return { program, small, burn: c.command(dir)[0] };
}

/** Asserts that of the samples of a process at least `share` have a stack that `holds`. */
export function leastComplete(process: SeenProcess, holds: RegExp, share: number): void {
  const [complete, all] = [eventsOf(process, holds), eventsOf(process)];
  const odd = Object.keys(process.stacks).filter((stack) => !holds.test(stack));
  assert.ok(
    all > 0 && complete / all >= share,
    `${complete} of ${all} samples match ${holds}: ${odd.slice(0, 3).join('\n')}`,
  );
}

/** What recorder.ts prints. */
export interface Report extends Account {
  readonly processes: readonly SeenProcess[];
}

/**
 * Runs recorder.ts below `prefix` (a command that executes its arguments), calls `during` while it
 * profiles, and gives what it saw.
 */
export async function recordApart(
  prefix: readonly string[],
  options: Record<string, unknown>,
  during: (recorder: ChildProcess) => Promise<unknown>,
  fallBack = false,
): Promise<Report> {
  const script = join(packageRoot(), 'test', 'e2e', 'recorder.ts');
  const [command = '', ...args] = [
    ...prefix,
    process.execPath,
    ...['--import', 'tsx', script, JSON.stringify(options), ...(fallBack ? ['fall-back'] : [])],
  ];
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'], cwd: packageRoot() });
  let errors = '';
  child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()));
  const lines: string[] = [];
  const ended = once(child, 'close');
  try {
    const reader = createInterface({ input: child.stdout });
    reader.on('line', (line) => lines.push(line));
    await Promise.race([once(reader, 'line'), ended]);
    assert.equal(lines[0], 'ready', errors);
    await during(child);
    child.stdin.end();
    await ended;
    const report: unknown = JSON.parse(lines[1] ?? 'null');
    assert.ok(isReport(report), errors);
    return report;
  } finally {
    child.kill('SIGKILL');
  }
}

function isReport(value: unknown): value is Report {
  return (
    typeof value === 'object' &&
    value !== null &&
    'stats' in value &&
    'delivered' in value &&
    'processes' in value &&
    Array.isArray(value.processes)
  );
}
