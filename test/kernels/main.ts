// SPDX-License-Identifier: Apache-2.0
// `npm run test:kernels [-- 5.10 …]`: boots other kernels in QEMU and runs the profiler there. Without arguments all.
// KERNEL_CONSOLE=1 shows the machine's console. With --if-possible a host that has no QEMU or gets no kernel only says
// so; not in CI.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';

import { packageRoot } from '../../src/internal/package-root.ts';
import { type CheckResult, parseCheck } from './check-result.ts';
import { librariesOf, writeImage } from './image.ts';
import { KERNELS, kernelImage } from './kernel-image.ts';
import { runMachine } from './machine.ts';

const ROOT = packageRoot();
const HERE = join(ROOT, 'test', 'kernels');
const LIMIT_MS = 1_200_000;

/** Which file of the host each file of the machine is. */
async function contents(dir: string): Promise<Map<string, string>> {
  const compile = (out: string, source: string, ...flags: string[]): string => {
    execFileSync('gcc', [...flags, '-o', join(dir, out), source], { stdio: ['ignore', 'ignore', 'inherit'] });
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
  const workloads = join(ROOT, 'test', 'e2e', 'workloads');
  const programs = new Map([
    ['/usr/bin/node', process.execPath],
    ['/usr/bin/python3', '/usr/bin/python3'],
    ['/usr/bin/deep', compile('deep', join(HERE, 'programs', 'deep.c'), '-O2', '-fomit-frame-pointer')],
    ['/usr/bin/sleeper', compile('sleeper', join(workloads, 'sleeper.c'), '-O1')],
  ]);
  const addons = ['otelcol_profiles.node', 'otelcol_codecs.node'].map((name) => join(ROOT, 'build', name));
  const copied = [
    ...librariesOf([...programs.values(), ...addons]),
    ...pythonModules('functools', 'threading', 'encodings.latin_1'),
  ];
  return new Map([
    ...programs,
    ...copied.map((path) => [path, path] as const),
    ...addons.map((path) => [path.replace(ROOT, '/app'), path] as const),
    ...['oncpu', 'offcpu', 'probe'].map(
      (name) => [`/app/build/bpf/${name}.bpf.o`, join(ROOT, 'build', 'bpf', `${name}.bpf.o`)] as const,
    ),
    ['/app/package.json', join(ROOT, 'package.json')],
    ['/app/guest.mjs', guest],
    ['/app/truth.py', join(workloads, 'truth.py')],
    ['/init', compile('init', join(HERE, 'programs', 'init.c'), '-O1', '-static')],
  ]);
}

/** Files of the standard library that an interpreter reads for these modules. */
function pythonModules(...modules: string[]): string[] {
  const list =
    'import sys; print("\\n".join(m.__file__ for m in sys.modules.values() if getattr(m, "__file__", "")))';
  const script = `import os, ${modules.join(', ')}\n${list}`;
  const said = execFileSync('/usr/bin/python3', ['-I', '-S', '-c', script], { encoding: 'utf8' });
  return said.split('\n').filter((path) => path.endsWith('.py'));
}

/** Runs the checks on one kernel and prints each as it comes; true where all went well. */
async function testKernel(release: string, kernel: string, image: string): Promise<boolean> {
  const results: CheckResult[] = [];
  const started = performance.now();
  const run = await runMachine(
    kernel,
    image,
    (line) => {
      if (process.env['KERNEL_CONSOLE'] === '1') console.log(line);
      const result = parseCheck(line);
      if (result === undefined) return;
      results.push(result);
      const state = result.ok ? 'ok  ' : 'FAIL';
      console.log(
        `${release.padEnd(5)} ${state} ${result.name.padEnd(28)} ${result.seconds.toFixed(1).padStart(5)} s  ${result.detail}`,
      );
    },
    AbortSignal.timeout(LIMIT_MS),
  );
  const seconds = ((performance.now() - started) / 1000).toFixed(0);
  const ok = run.exitCode === 0 && results.every((r) => r.ok);
  if (run.exitCode === undefined)
    console.log(`the machine did not come to its end:\n${run.console.join('\n')}`);
  console.log(`${release.padEnd(5)} ${ok ? 'ok' : 'FAILED'}, ${results.length} checks, ${seconds} s`);
  return ok;
}

const IF_POSSIBLE = '--if-possible';
const args = process.argv.slice(2);
const chosen = args.filter((arg) => arg !== IF_POSSIBLE);
const releases = chosen.length > 0 ? chosen : KERNELS;

/** What the machines need of this host; throws Error that says what is missing. */
function kernels(): { release: string; kernel: string }[] {
  // The machine runs the host's own programs.
  if (process.arch !== 'x64') throw new Error(`the host is ${process.arch}, the kernels are for x64`);
  execFileSync('qemu-system-x86_64', ['--version'], { stdio: 'ignore' });
  return releases.map((release) => ({ release, kernel: kernelImage(release) }));
}

async function main(): Promise<void> {
  let found: ReturnType<typeof kernels>;
  try {
    found = kernels();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    console.log(`\n*** NOT TESTED on Linux ${releases.join(', ')}: ${reason} ***\n`);
    if (!args.includes(IF_POSSIBLE) || (process.env['CI'] ?? '') !== '') process.exitCode = 1;
    return;
  }
  const dir = mkdtempSync(join(tmpdir(), 'otelcol-profiles-kernels-'));
  try {
    const image = join(dir, 'initramfs');
    writeImage(image, { files: await contents(dir), folders: ['/proc', '/sys', '/tmp', '/dev'] });
    for (const { release, kernel } of found)
      if (!(await testKernel(release, kernel, image))) process.exitCode = 1;
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

await main();
