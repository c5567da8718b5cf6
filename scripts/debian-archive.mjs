// SPDX-License-Identifier: Apache-2.0
// Packages of other releases or architectures than the host's, unpacked into .cache and not installed. apt works on
// lists of its own; the host's are left alone.
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root, run, StepError } from './steps.mjs';

const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';

/** Where the host has Debian from. Other releases and architectures, and security updates beside it, are there too. */
function mirror() {
  const targets = run('apt-get', ['indextargets', '--format', '$(REPO_URI)', 'Created-By: Packages']);
  const found = targets.split('\n').find((uri) => /\/debian\/?$/.test(uri));
  if (found === undefined)
    throw new StepError('apt knows no mirror of Debian (a source whose address ends in /debian)');
  return found.replace(/\/$/, '');
}

const opened = new Map();

/**
 * Suites (`bookworm`, `bookworm-security`) of the archive for an architecture (`amd64`, `arm64`), their lists read anew
 * once a run. Throws StepError where they cannot be had.
 */
export function debianArchive(architecture, suites) {
  const name = [architecture, ...suites].join('-');
  const known = opened.get(name);
  if (known !== undefined) return known;
  if (!existsSync(KEYRING)) throw new StepError(`no keys of Debian: ${KEYRING} is missing`);
  const apt = join(root, '.cache', 'apt', name);
  const options = [
    ['Dir::Etc::sourcelist', join(apt, 'sources.list')],
    ['Dir::Etc::sourceparts', '-'],
    ['Dir::State::lists', join(apt, 'lists')],
    ['Dir::Cache', join(apt, 'cache')],
    ['APT::Architecture', architecture],
    ['APT::Architectures', architecture],
    ['APT::Sandbox::User', ''],
    ['Acquire::Languages', 'none'],
    ['Acquire::IndexTargets::deb::DEP-11::DefaultEnabled', 'false'],
  ].flatMap(([key, value]) => ['-o', `${key}=${value}`]);
  for (const folder of ['lists/partial', 'cache/archives/partial'])
    mkdirSync(join(apt, folder), { recursive: true });
  const main = mirror();
  const lines = suites.map((suite) => {
    const from = suite.endsWith('-security') ? `${main}-security` : main;
    return `deb [arch=${architecture} signed-by=${KEYRING}] ${from} ${suite} main`;
  });
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
  opened.set(name, archive);
  return archive;
}
