// SPDX-License-Identifier: Apache-2.0
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { packageRoot } from '../src/internal/package-root.ts';

/**
 * A program of a Debian package, given as its path in the package; `versionFlag` shows whether the host has it. The package
 * is unpacked into `.cache`, not installed: an installed server would start to serve this host. Throws Error where that fails.
 */
export function debianBinary(name: string, path: string, versionFlag: string): string {
  if (spawnSync(basename(path), [versionFlag]).status === 0) return basename(path);
  const cache = join(packageRoot(), '.cache', name);
  const binary = join(cache, path);
  if (existsSync(binary)) return binary;
  const work = `${cache}.${process.pid}`;
  mkdirSync(work, { recursive: true });
  try {
    download(name, work);
    const [archive = ''] = readdirSync(work).filter((file) => file.endsWith('.deb'));
    execFileSync('dpkg', ['-x', archive, 'root'], { cwd: work });
    rmSync(cache, { recursive: true, force: true });
    renameSync(join(work, 'root'), cache);
  } catch (cause) {
    throw new Error(
      `${name} is not installed and cannot be downloaded (apt-get update; apt-get download ${name})`,
      { cause },
    );
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return binary;
}

function download(name: string, folder: string): void {
  const fetch = (): void =>
    void execFileSync('apt-get', ['download', '-qq', name], {
      cwd: folder,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
  try {
    fetch();
  } catch {
    // A fresh host has no list of packages yet, or one of a version that is gone.
    execFileSync('apt-get', ['update', '-qq'], { stdio: ['ignore', 'ignore', 'pipe'] });
    fetch();
  }
}
