// SPDX-License-Identifier: Apache-2.0
import { existsSync, readFileSync, rmSync, statSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const LOCK_NAME = 'lock';
/** An empty lock is one that is being written, or of a process that was killed between two calls. */
const WRITING_MS = 5_000;

/**
 * Takes a directory for this process alone and returns what gives it back. Undefined while another process has it. One
 * that ended without giving it back does not count: a process is told by its number, its start and the boot.
 */
export function lockDirectory(directory: string): (() => void) | undefined {
  const path = join(directory, LOCK_NAME);
  const own = identityOf(process.pid);
  for (let attempt = 0; attempt < 2; attempt++) {
    try {
      writeFileSync(path, own, { flag: 'wx', mode: 0o600 });
      return () => giveBack(path, own);
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
    }
    if (isHeld(path)) return undefined;
    rmSync(path, { force: true });
  }
  return undefined;
}

/** False where its process has ended, and where it has just been given back. */
function isHeld(path: string): boolean {
  try {
    const holder = readFileSync(path, 'utf8');
    if (holder === '') return Date.now() - statSync(path).mtimeMs < WRITING_MS;
    const pid = Number(holder.split(' ')[0]);
    return Number.isInteger(pid) && pid > 0 && holder === identityOf(pid);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return false;
    throw error;
  }
}

/** Where the lock is not ours any more, its new holder keeps it. */
function giveBack(path: string, own: string): void {
  if (existsSync(path) && readFileSync(path, 'utf8') === own) unlinkSync(path);
}

/** `PID START BOOT`; without the last two where /proc has no such process. */
function identityOf(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const started = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    return `${pid} ${started} ${boot}`;
  } catch (error) {
    if (error instanceof Error && 'code' in error) return String(pid);
    throw error;
  }
}
