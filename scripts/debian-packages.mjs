// SPDX-License-Identifier: Apache-2.0
import { spawnSync } from 'node:child_process';
import { has, run, StepError } from './steps.mjs';

/** What the eBPF programs and their addon are built with. */
export const EBPF_PACKAGES = [
  'clang',
  'llvm',
  'libbpf-dev',
  'libelf-dev',
  'zlib1g-dev',
  'liblzma-dev',
  'libzstd-dev',
  'g++',
  'make',
  'pkg-config',
];

/** What the codecs addon is built with; the libraries are linked statically. */
export const CODECS_PACKAGES = ['g++', 'libdeflate-dev', 'libzstd-dev', 'libsnappy-dev', 'liblz4-dev'];

/** What the tests ask of the host beyond that: a browser, real peers, programs to profile. */
export const TEST_PACKAGES = [
  'chromium',
  'fonts-dejavu-core',
  'python3',
  'python3-venv',
  'curl',
  'openssl',
  'gcc',
  'rustc',
  'golang-go',
  'binutils',
  'xz-utils',
  'libclang-rt-dev',
  'libc6-dev',
  'libc6-dbg',
  'perl',
  'docker.io',
  'docker-compose',
  'nghttp2-client',
  'qemu-system-x86',
  'libfaketime',
  'zsh',
  'fish',
];

/** Packages of the list that are not installed; a program that is there from elsewhere counts as installed. */
export function missingPackages(packages) {
  const elsewhere = {
    rustc: 'rustc',
    'golang-go': 'go',
    python3: 'python3',
    gcc: 'gcc',
    'docker.io': 'dockerd',
    'docker-compose': 'docker-compose',
  };
  return packages.filter((name) => {
    const program = elsewhere[name];
    if (program !== undefined && has(program)) return false;
    const query = spawnSync('dpkg-query', ['-W', '-f=${Status}', name], { encoding: 'utf8' });
    return !(query.status === 0 && query.stdout.includes('install ok installed'));
  });
}

/** Installs what is missing. Throws StepError with the commands where this user or host cannot. */
export function installPackages(packages) {
  if (!has('dpkg-query') || !has('apt-get')) {
    throw new StepError('this is no Debian or Ubuntu: install the build tools by hand', [
      `install the equivalents of: ${packages.join(' ')}`,
    ]);
  }
  const missing = missingPackages(packages);
  if (missing.length === 0) return 'all there';
  const command = `apt-get update && apt-get install -y --no-install-recommends ${missing.join(' ')}`;
  if (process.getuid?.() !== 0)
    throw new StepError(`Debian packages are missing: ${missing.join(', ')}`, [`sudo sh -c '${command}'`]);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  run('apt-get', ['update', '-qq'], { env });
  run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...missing], { env });
  return `installed ${missing.join(' ')}`;
}
