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
    // One thread for all CPUs: with a thread each, QEMU 7.2 may run an int3 for ever that the kernel had put where it
    // switches a tracepoint and has taken away again. Switching sched_switch's alone hung 4 of 4 machines within 60 rounds.
    args: ['-accel', 'tcg,thread=single', '-cpu', 'max'],
    append: 'console=ttyS0 mitigations=off random.trust_cpu=on',
  },
  arm64: {
    command: 'qemu-system-aarch64',
    // The usual authentication codes cost an emulator more than all else.
    args: ['-accel', 'tcg,thread=multi', '-M', 'virt', '-cpu', 'max,pauth-impdef=on'],
    append: 'console=ttyAMA0 mitigations=off random.trust_cpu=on',
  },
} as const;

const MEMORY_MIB = 2048;
/** What a machine that hangs is asked: -nographic gives QEMU's monitor at Control-A C, which answers when no kernel does. */
const QUESTION = '\u0001cinfo registers -a\ncpu 0\nx/4i $pc\ncpu 1\nx/4i $pc\n';
const ANSWER_MS = 5_000;
const CONSOLE_LINES = 400;
const END = /^KERNEL-TESTS-END (\d+)/;

/**
 * Boots a kernel with an initramfs in emulation, which needs no privilege and no /dev/kvm, and hands on each line of
 * its console until it switches off, or until `signal` ends it; its CPUs then tell where they are.
 * Rejects where QEMU cannot be run.
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
    ...machine,
    ...['-smp', '2', '-m', String(MEMORY_MIB)],
    ...['-kernel', kernel, '-initrd', image, '-nographic', '-no-reboot', '-nic', 'none'],
    ...['-append', `${append} quiet panic=-1 rdinit=/init nokaslr`],
  ];
  return new Promise((resolve, reject) => {
    const qemu = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'] });
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
    qemu.stdin.on('error', () => undefined); // it has ended by itself
    let killing: NodeJS.Timeout | undefined;
    const kill = (): void => {
      qemu.stdin.write(QUESTION);
      killing = setTimeout(() => qemu.kill('SIGKILL'), ANSWER_MS);
    };
    signal.addEventListener('abort', kill, { once: true });
    qemu.once('error', reject);
    qemu.once('close', () => {
      signal.removeEventListener('abort', kill);
      clearTimeout(killing);
      resolve({ exitCode, console: lines });
    });
  });
}
