// SPDX-License-Identifier: Apache-2.0
import { existsSync, readFileSync, readlinkSync } from 'node:fs';
import { arch, platform, release } from 'node:os';

/** Capabilities that a profiler uses, by bit number (include/uapi/linux/capability.h). */
const CAPABILITY_BITS: Readonly<Record<string, bigint>> = {
  CAP_DAC_READ_SEARCH: 2n,
  CAP_SYS_PTRACE: 19n,
  CAP_SYS_ADMIN: 21n,
  CAP_SYS_RESOURCE: 24n,
  CAP_SYSLOG: 34n,
  CAP_PERFMON: 38n,
  CAP_BPF: 39n,
  CAP_CHECKPOINT_RESTORE: 40n,
};

/** What can be read of this host without the addon. Undefined where it could not be read. */
export interface HostFacts {
  readonly platform: string;
  readonly arch: string;
  readonly kernelRelease: string;
  readonly uid: number;
  readonly capabilities: ReadonlySet<string>;
  readonly btf: boolean;
  readonly perfEventParanoid: number | undefined;
  readonly unprivilegedBpfDisabled: number | undefined;
  readonly kptrRestrict: number | undefined;
  /** Kernel symbols with real addresses. */
  readonly kallsyms: 'readable' | 'zeroed' | 'unreadable';
  readonly tracefs: boolean;
  readonly lockdown: string | undefined;
  readonly hostPidNamespace: boolean;
  /** Dynamic perf event sources, of those that probes need. */
  readonly eventSources: ReadonlySet<'kprobe' | 'uprobe'>;
}

/** Reads files; replaced in tests. */
export interface HostReader {
  read(path: string): string | undefined;
  /** The target of a symbolic link. */
  link(path: string): string | undefined;
  exists(path: string): boolean;
}

/** The first namespaces, which are the host's, have these numbers on every kernel (PROC_PID_INIT_INO, PROC_USER_INIT_INO). */
export const FIRST_NAMESPACES = { pid: 'pid:[4026531836]', user: 'user:[4026531837]' } as const;

const hostReader: HostReader = {
  read(path) {
    try {
      return readFileSync(path, 'utf8');
    } catch {
      // Not there or not allowed: the fact is unknown, which the doctor reports.
      return undefined;
    }
  },
  link(path) {
    try {
      return readlinkSync(path);
    } catch {
      // As above.
      return undefined;
    }
  },
  exists: existsSync,
};

export function gatherHostFacts(reader: HostReader = hostReader): HostFacts {
  const number = (path: string): number | undefined => {
    const text = reader.read(path)?.trim();
    return text === undefined || text === '' ? undefined : Number(text);
  };
  const status = reader.read('/proc/self/status') ?? '';
  const effective = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)/m.exec(status)?.[1] ?? '0'}`);
  const names = Object.entries(CAPABILITY_BITS).filter(([, bit]) => ((effective >> bit) & 1n) === 1n);
  return {
    platform: platform(),
    arch: arch(),
    kernelRelease: release(),
    uid: process.getuid?.() ?? -1,
    capabilities: new Set(names.map(([name]) => name)),
    btf: reader.exists('/sys/kernel/btf/vmlinux'),
    perfEventParanoid: number('/proc/sys/kernel/perf_event_paranoid'),
    unprivilegedBpfDisabled: number('/proc/sys/kernel/unprivileged_bpf_disabled'),
    kptrRestrict: number('/proc/sys/kernel/kptr_restrict'),
    kallsyms: kallsymsState(reader),
    tracefs: /\s(tracefs|debugfs)\s/.test(reader.read('/proc/self/mounts') ?? ''),
    lockdown: /\[(\w+)\]/.exec(reader.read('/sys/kernel/security/lockdown') ?? '')?.[1],
    // Not NSpid of /proc/self/status: that ends at the namespace which /proc was mounted in.
    hostPidNamespace: (reader.link('/proc/self/ns/pid') ?? FIRST_NAMESPACES.pid) === FIRST_NAMESPACES.pid,
    eventSources: new Set(
      (['kprobe', 'uprobe'] as const).filter((name) =>
        reader.exists(`/sys/bus/event_source/devices/${name}/type`),
      ),
    ),
  };
}

function kallsymsState(reader: HostReader): HostFacts['kallsyms'] {
  const text = reader.read('/proc/kallsyms');
  if (text === undefined || text === '') return 'unreadable';
  // The first symbols of x86-64 are per-CPU offsets and may be zero for everybody: look at the text section.
  const line = /^([0-9a-f]+) [tT] \w+/m.exec(
    text.slice(text.indexOf(' T ') > 20 ? text.indexOf(' T ') - 16 : 0),
  );
  return /^0+$/.test(line?.[1] ?? '0') ? 'zeroed' : 'readable';
}

/** Kernel version as comparable numbers. */
function kernelVersion(kernelRelease: string): readonly [number, number] {
  const match = /^(\d+)\.(\d+)/.exec(kernelRelease);
  return [Number(match?.[1] ?? 0), Number(match?.[2] ?? 0)];
}

export function kernelAtLeast(kernelRelease: string, major: number, minor: number): boolean {
  const [a, b] = kernelVersion(kernelRelease);
  return a > major || (a === major && b >= minor);
}
