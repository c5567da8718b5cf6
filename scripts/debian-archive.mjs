// SPDX-License-Identifier: Apache-2.0
// Packages of other releases or architectures than the host's, unpacked into .cache and not installed. apt works on
// lists of its own; the host's are left alone.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root, run, StepError } from './steps.mjs';

const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';

/** Where the host has Debian from, for mirrors nearby; Debian's own otherwise. */
function mirrors() {
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

const opened = new Map();

/**
 * The archive for an architecture (`amd64`, `arm64`), its lists read anew once a run. Throws StepError where it cannot
 * be had.
 */
export function debianArchive(architecture, suites) {
  const known = opened.get(architecture);
  if (known !== undefined) return known;
  if (!existsSync(KEYRING)) throw new StepError(`no keys of Debian: ${KEYRING} is missing`);
  const apt = join(root, '.cache', 'apt', architecture);
  const options = [
    ['Dir::Etc::sourcelist', join(apt, 'sources.list')],
    ['Dir::Etc::sourceparts', '-'],
    ['Dir::State::lists', join(apt, 'lists')],
    ['Dir::Cache', join(apt, 'cache')],
    ['APT::Architecture', architecture],
    ['APT::Architectures', architecture],
    ['APT::Sandbox::User', ''],
    ['Acquire::Languages', 'none'],
  ].flatMap(([key, value]) => ['-o', `${key}=${value}`]);
  for (const folder of ['lists/partial', 'cache/archives/partial'])
    mkdirSync(join(apt, folder), { recursive: true });
  const { main, security } = mirrors();
  const lines = suites.flatMap((suite) => [
    `deb [arch=${architecture} signed-by=${KEYRING}] ${main} ${suite} main`,
    `deb [arch=${architecture} signed-by=${KEYRING}] ${security} ${suite}-security main`,
  ]);
  writeFileSync(join(apt, 'sources.list'), `${lines.join('\n')}\n`);
  run('apt-get', [...options, 'update', '-qq']);
  const archive = {
    /** Names of packages that match an extended regular expression. */
    search(pattern) {
      return run('apt-cache', [...options, 'search', '--names-only', pattern])
        .split('\n')
        .map((line) => line.split(' ')[0] ?? '')
        .filter((name) => name !== '');
    },
    /** Unpacks packages below `folder`; with patterns of tar only what matches. */
    unpack(packages, folder, ...patterns) {
      const archives = join(folder, 'archives');
      rmSync(archives, { recursive: true, force: true });
      mkdirSync(archives, { recursive: true });
      run('apt-get', [...options, 'download', '-qq', ...packages], { cwd: archives });
      const only = patterns.map((pattern) => `'${pattern}'`).join(' ');
      const tar = `tar -x ${only === '' ? '' : `--wildcards ${only}`}`;
      for (const file of readdirSync(archives))
        run('sh', ['-c', `dpkg-deb --fsys-tarfile archives/"${file}" | ${tar}`], { cwd: folder });
      rmSync(archives, { recursive: true });
    },
  };
  opened.set(architecture, archive);
  return archive;
}
