// SPDX-License-Identifier: Apache-2.0
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { debianArchive } from '../../scripts/debian-archive.mjs';
import { packageRoot } from '../../src/internal/package-root.ts';

/** The kernels that Debian has, oldest first. */
export const KERNELS = ['5.10', '6.1', '6.12'] as const;

const SUITES = ['bullseye', 'bullseye-security', 'bookworm', 'bookworm-security'];

/**
 * Path of the vmlinuz of a release, taken once out of Debian's newest package of it. Throws Error where it cannot be
 * had: no apt, no network, no such package.
 */
export function kernelImage(release: string, architecture: 'amd64' | 'arm64'): string {
  const folder = join(packageRoot(), '.cache', 'kernels', architecture, release);
  const image = join(folder, 'vmlinuz');
  if (existsSync(image)) return image;
  const archive = debianArchive(architecture, SUITES);
  // "linux-image-5.10.0-46-cloud-amd64", "linux-image-6.12.117+deb12-cloud-amd64"
  const pattern = `^linux-image-${release.replace('.', '[.]')}[.][0-9]+(-[0-9]+|[+]deb[0-9]+)-cloud-${architecture}$`;
  const name = archive
    .search(pattern)
    .sort((a, b) => a.localeCompare(b, 'en', { numeric: true }))
    .at(-1);
  if (name === undefined) throw new Error(`Debian has no package of Linux ${release}`);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  archive.unpack([name], folder, './boot/vmlinuz-*');
  const [file = ''] = readdirSync(join(folder, 'boot'));
  renameSync(join(folder, 'boot', file), image);
  return image;
}
