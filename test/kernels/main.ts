// SPDX-License-Identifier: Apache-2.0
// `npm run test:kernels [-- 5.10 … arm64]`: boots other kernels in QEMU and runs the profiler there. Without arguments
// all of this architecture; `arm64` is 6.1 on the other one, for which the native part is then built.
// KERNEL_CONSOLE=1 shows the machine's console. With --if-possible a host that has no QEMU or gets no kernel only says
// so; not in CI.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type CheckResult, parseCheck } from './check-result.ts';
import { arm64Contents, hostContents } from './contents.ts';
import { writeImage } from './image.ts';
import { KERNELS, kernelImage } from './kernel-image.ts';
import { EMULATORS, type MachineArch, runMachine } from './machine.ts';

const LIMIT_MS = 1_200_000;

/** Runs the checks on one kernel and prints each as it comes; true where all went well. */
async function testKernel(
  release: string,
  arch: MachineArch,
  kernel: string,
  image: string,
): Promise<boolean> {
  const results: CheckResult[] = [];
  const started = performance.now();
  const run = await runMachine(
    arch,
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
  // A machine that fails without a failed check says why on its console.
  if (!ok && results.every((r) => r.ok)) console.log(run.console.join('\n'));
  console.log(`${release.padEnd(5)} ${ok ? 'ok' : 'FAILED'}, ${results.length} checks, ${seconds} s`);
  return ok;
}

const IF_POSSIBLE = '--if-possible';
const args = process.argv.slice(2);
const chosen = args.filter((arg) => arg !== IF_POSSIBLE);
const releases = chosen.length > 0 ? chosen : KERNELS;

const archOf = (release: string): MachineArch => (release === 'arm64' ? 'arm64' : 'x64');

/** What the machines need of this host; throws Error that says what is missing. */
function kernels(): { release: string; kernel: string }[] {
  return releases.map((release) => {
    const arch = archOf(release);
    // The machine runs the host's own programs.
    if (arch === 'x64' && process.arch !== 'x64') throw new Error(`the host is ${process.arch}, not x64`);
    execFileSync(EMULATORS[arch].command, ['--version'], { stdio: 'ignore' });
    return {
      release,
      kernel: arch === 'arm64' ? kernelImage('6.1', 'arm64') : kernelImage(release, 'amd64'),
    };
  });
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
  const images = new Map<MachineArch, string>();
  try {
    for (const { release, kernel } of found) {
      const arch = archOf(release);
      const image = images.get(arch) ?? join(dir, `initramfs-${arch}`);
      if (!images.has(arch)) {
        const files = arch === 'arm64' ? await arm64Contents(dir) : await hostContents(dir);
        writeImage(image, { files, folders: ['/proc', '/sys', '/tmp', '/dev'] });
        images.set(arch, image);
      }
      if (!(await testKernel(release, arch, kernel, image))) process.exitCode = 1;
    }
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

await main();
