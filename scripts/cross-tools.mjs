// SPDX-License-Identifier: Apache-2.0
// What building for another machine takes: the compiler is a package of this host, the libraries are packages of the
// other one, unpacked into .cache.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { debianArchive } from './debian-archive.mjs';
import { installPackages } from './debian-packages.mjs';
import { root, StepError } from './steps.mjs';

const MACHINES = {
  arm64: {
    triplet: 'aarch64-linux-gnu',
    emulator: 'qemu-aarch64-static',
    tools: ['g++-aarch64-linux-gnu', 'libc6-dev-arm64-cross', 'qemu-user-static'],
  },
};

const LIBRARIES = [
  ['libbpf-dev', 'libbpf1', 'libelf-dev', 'libelf1', 'zlib1g-dev', 'zlib1g', 'liblzma-dev', 'liblzma5'],
  ['libzstd-dev', 'libdeflate-dev', 'libsnappy-dev', 'liblz4-dev'],
].flat();

/** Flags to compile and link with, and the command that runs a program. Throws StepError where that cannot be had. */
export function crossTools(arch) {
  const machine = MACHINES[arch];
  if (machine === undefined)
    throw new StepError(`no such machine: "${arch}"; valid: ${Object.keys(MACHINES).join(', ')}`);
  const { triplet, emulator, tools } = machine;
  installPackages(tools);
  const system = join(root, '.cache', 'sysroot', arch);
  const libraries = join(system, 'usr', 'lib', triplet);
  if (!existsSync(join(libraries, 'liblz4.a'))) {
    const suite = /^VERSION_CODENAME=(\w+)/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1] ?? 'bookworm';
    debianArchive(arch, [suite, `${suite}-security`]).unpack(LIBRARIES, system);
  }
  const headers = [join(system, 'usr', 'include'), join(system, 'usr', 'include', triplet)];
  const search = [libraries, join(system, 'lib', triplet)];
  return {
    // Behind those of the cross compiler, whose C library they are for.
    compile: headers.flatMap((path) => ['-idirafter', path]),
    link: search.flatMap((path) => [`-L${path}`, `-Wl,-rpath-link,${path}`]),
    run: [emulator, '-L', `/usr/${triplet}`, '-E', `LD_LIBRARY_PATH=${search.join(':')}`],
  };
}
