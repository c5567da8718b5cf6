// SPDX-License-Identifier: Apache-2.0
import { existsSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { debianArchive } from '../scripts/debian-archive.mjs';
import { packageRoot } from '../src/internal/package-root.ts';

/** A directory tree to `chroot` into. */
export interface DebianRoot {
  readonly path: string;
}

/** CPython 3.14 with its own C library: Debian 12 has neither. */
export const PYTHON_3_14 = {
  name: 'python-3.14',
  suites: ['forky', 'sid'],
  packages: [
    'python3.14-minimal',
    'libpython3.14-minimal',
    'libpython3.14-stdlib',
    'libc6',
    'libexpat1',
    'zlib1g',
  ],
} as const;

interface Wanted {
  readonly name: string;
  /** Of Debian; the first one that has all packages is taken. */
  readonly suites: readonly string[];
  /** All that is needed: dependencies are not followed. */
  readonly packages: readonly string[];
}

/**
 * Makes `.cache/NAME` on first use (a package index of 10 MB and the packages) from packages of another release of
 * Debian than the host's, without touching the host. Throws Error where no suite has them.
 */
export function needDebianRoot(wanted: Wanted): DebianRoot {
  const path = join(packageRoot(), '.cache', wanted.name);
  if (existsSync(join(path, 'ready'))) return { path };
  const failures: unknown[] = [];
  for (const suite of wanted.suites) {
    try {
      make(path, suite, wanted.packages);
      return { path };
    } catch (error) {
      failures.push(error);
    }
  }
  throw new AggregateError(
    failures,
    `no ${wanted.packages[0] ?? ''} to be had from Debian ${wanted.suites.join(', ')}`,
  );
}

function make(path: string, suite: string, packages: readonly string[]): void {
  const root = `${path}.${process.pid}`;
  try {
    debianArchive(process.arch === 'arm64' ? 'arm64' : 'amd64', [suite]).unpack(packages, root);
    // The package that has these links is not among what is needed.
    for (const dir of ['bin', 'lib', 'lib64'])
      if (!existsSync(join(root, dir))) symlinkSync(join('usr', dir), join(root, dir));
    writeFileSync(join(root, 'ready'), suite);
    rmSync(path, { recursive: true, force: true });
    renameSync(root, path);
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}
