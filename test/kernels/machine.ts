// SPDX-License-Identifier: Apache-2.0
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

/** How a machine ended. */
export interface MachineRun {
  /** What the tests ended with; undefined where they did not get that far. */
  readonly exitCode: number | undefined;
  /** The end of what came over the serial console. */
  readonly console: readonly string[];
}

export type MachineArch = 'x64' | 'arm64';

/** How a machine is emulated. The CPU does not suffer from what the kernel would guard against at the cost of time. */
export const EMULATORS = {
  x64: {
    command: 'qemu-system-x86_64',
    args: ['-cpu', 'max'],
    append: 'console=ttyS0 mitigations=off random.trust_cpu=on',
  },
  arm64: {
    command: 'qemu-system-aarch64',
    // The usual authentication codes cost an emulator more than all else.
    args: ['-M', 'virt', '-cpu', 'max,pauth-impdef=on'],
    append: 'console=ttyAMA0 mitigations=off random.trust_cpu=on',
  },
} as const;

const MEMORY_MIB = 2048;
const CONSOLE_LINES = 400;
const END = /^KERNEL-TESTS-END (\d+)/;

/**
 * Boots a kernel with an initramfs in emulation, which needs no privilege and no /dev/kvm, and hands on each line of
 * its console until it switches off or `signal` ends it. Rejects where QEMU cannot be run.
 */
export function runMachine(
  arch: MachineArch,
  kernel: string,
  image: string,
  onLine: (line: string) => void,
  signal: AbortSignal,
): Promise<MachineRun> {
  const { command, args: machine, append } = EMULATORS[arch];
  const args = [
    ...['-accel', 'tcg,thread=multi', ...machine, '-smp', '2', '-m', String(MEMORY_MIB)],
    ...['-kernel', kernel, '-initrd', image, '-nographic', '-no-reboot', '-nic', 'none'],
    ...['-append', `${append} quiet panic=-1 rdinit=/init nokaslr`],
  ];
  return new Promise((resolve, reject) => {
    const qemu = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    const lines: string[] = [];
    let exitCode: number | undefined;
    const take = (line: string): void => {
      const text = line.replace(/\r/g, '');
      lines.push(text);
      if (lines.length > CONSOLE_LINES) lines.shift();
      exitCode = Number(END.exec(text)?.[1] ?? exitCode);
      if (Number.isNaN(exitCode)) exitCode = undefined;
      onLine(text);
    };
    createInterface({ input: qemu.stdout }).on('line', take);
    createInterface({ input: qemu.stderr }).on('line', take);
    const kill = (): void => {
      qemu.kill('SIGKILL');
    };
    signal.addEventListener('abort', kill, { once: true });
    qemu.once('error', reject);
    qemu.once('close', () => {
      signal.removeEventListener('abort', kill);
      resolve({ exitCode, console: lines });
    });
  });
}
