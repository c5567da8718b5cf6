// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../src/internal/package-root.ts';

/** The kernels that Debian has, oldest first. */
export const KERNELS = ['5.10', '6.1', '6.12'] as const;

const CACHE = join(packageRoot(), '.cache', 'kernels');
const APT = join(CACHE, 'apt');
const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';
const SUITES = ['bullseye', 'bookworm'];

/** Lists of our own: the oldest kernel is of another release than the host, whose lists are left alone. */
const APT_OPTIONS = [
  ['Dir::Etc::sourcelist', join(APT, 'sources.list')],
  ['Dir::Etc::sourceparts', '-'],
  ['Dir::State::lists', join(APT, 'lists')],
  ['Dir::Cache', join(APT, 'cache')],
  ['APT::Architecture', 'amd64'],
  ['APT::Sandbox::User', ''],
  ['Acquire::Languages', 'none'],
].flatMap(([key, value]) => ['-o', `${key}=${value}`]);

function run(command: string, args: readonly string[], cwd = CACHE): string {
  return execFileSync(command, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

/** Where the host has Debian from, for mirrors nearby; Debian's own otherwise. */
function mirrors(): { main: string; security: string } {
  const folder = '/etc/apt/sources.list.d';
  const files = existsSync(folder) ? readdirSync(folder).map((name) => join(folder, name)) : [];
  const text = ['/etc/apt/sources.list', ...files]
    .filter((file) => existsSync(file))
    .map((file) => readFileSync(file, 'utf8'))
    .join('\n')
    .replace(/^\s*#.*$/gm, '');
  return {
    main: /https?:\/\/\S+\/debian\/?(?=\s)/.exec(text)?.[0] ?? 'http://deb.debian.org/debian',
    security:
      /https?:\/\/\S+\/debian-security\/?(?=\s)/.exec(text)?.[0] ?? 'http://deb.debian.org/debian-security',
  };
}

let isUpdated = false;

function updateLists(): void {
  if (isUpdated) return;
  for (const folder of ['lists/partial', 'cache/archives/partial'])
    mkdirSync(join(APT, folder), { recursive: true });
  const { main, security } = mirrors();
  const lines = SUITES.flatMap((suite) => [
    `deb [arch=amd64 signed-by=${KEYRING}] ${main} ${suite} main`,
    `deb [arch=amd64 signed-by=${KEYRING}] ${security} ${suite}-security main`,
  ]);
  writeFileSync(join(APT, 'sources.list'), `${lines.join('\n')}\n`);
  run('apt-get', [...APT_OPTIONS, 'update', '-qq']);
  isUpdated = true;
}

/** The newest package of a release: "linux-image-6.12.117+deb12-cloud-amd64". */
function newestPackage(release: string): string | undefined {
  const pattern = `^linux-image-${release.replace('.', '[.]')}[.][0-9]+(-[0-9]+|[+]deb[0-9]+)-cloud-amd64$`;
  return run('apt-cache', [...APT_OPTIONS, 'search', '--names-only', pattern])
    .split('\n')
    .map((line) => line.split(' ')[0] ?? '')
    .filter((name) => name !== '')
    .sort((a, b) => a.localeCompare(b, 'en', { numeric: true }))
    .at(-1);
}

/**
 * Path of the vmlinuz of a release, taken once out of Debian's package, which is not installed. Throws Error where it
 * cannot be had: no apt, no network, no such package.
 */
export function kernelImage(release: string): string {
  const folder = join(CACHE, release);
  const image = join(folder, 'vmlinuz');
  if (existsSync(image)) return image;
  if (!existsSync(KEYRING)) throw new Error(`no keys of Debian: ${KEYRING} is missing`);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  updateLists();
  const name = newestPackage(release);
  if (name === undefined) throw new Error(`Debian has no package of Linux ${release}`);
  run('apt-get', [...APT_OPTIONS, 'download', '-qq', name], folder);
  const [archive = ''] = readdirSync(folder);
  run('sh', ['-c', `dpkg-deb --fsys-tarfile "${archive}" | tar -x --wildcards './boot/vmlinuz-*'`], folder);
  const [file = ''] = readdirSync(join(folder, 'boot'));
  rmSync(join(folder, archive));
  renameSync(join(folder, 'boot', file), image);
  return image;
}
