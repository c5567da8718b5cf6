// SPDX-License-Identifier: Apache-2.0
import { loadAddon, NativeError, type ProbeFacts } from './addon.ts';
import { gatherHostFacts, type HostFacts, kernelAtLeast } from './host-facts.ts';
import { openProcessEvents } from './process-events.ts';

type CheckState = 'works' | 'limited' | 'missing';

/** One line of the report. `why` and `fix` are given where the state is not "works". */
export interface Check {
  readonly feature: string;
  readonly state: CheckState;
  readonly why?: string;
  readonly fix?: string;
  /** Without it the host cannot be profiled with eBPF. */
  readonly essential?: boolean;
  /** Nothing here needs it: reported, not warned about. */
  readonly optional?: boolean;
}

export interface DoctorReport {
  readonly text: string;
  readonly checks: readonly Check[];
  /** Every essential feature works. */
  readonly ok: boolean;
}

const RUN_AS_ROOT =
  'run as root, or: setcap cap_bpf,cap_perfmon,cap_sys_ptrace,cap_syslog,cap_dac_read_search+ep "$(command -v node)"';

function check(feature: string, works: boolean, otherwise: Omit<Check, 'feature'>): Check {
  return works
    ? { feature, state: 'works', ...(otherwise.essential === true ? { essential: true } : {}) }
    : { feature, ...otherwise };
}

/** What the addon found out by trying; undefined where it cannot be loaded. */
function tryProbe(): { facts: ProbeFacts; error?: undefined } | { facts?: undefined; error: Error } {
  try {
    return { facts: loadAddon().probe() };
  } catch (error) {
    return { error: error instanceof Error ? error : new Error(String(error)) };
  }
}

/** Feature by feature: does it work on this host, why not, and what fixes it. */
export function diagnose(host: HostFacts, addonError: Error | undefined): Check[] {
  const can = (name: string): boolean =>
    host.capabilities.has(name) || (host.capabilities.has('CAP_SYS_ADMIN') && name !== 'CAP_SYS_PTRACE');
  const kernel = `kernel ${host.kernelRelease}`;
  return [
    check('machine', host.arch !== 'arm64', {
      state: 'limited',
      why: 'aarch64 is tested in emulation only; no Python frames',
      fix: 'use x86-64 where that matters',
    }),
    check('operating system', host.platform === 'linux' && (host.arch === 'x64' || host.arch === 'arm64'), {
      state: 'missing',
      essential: true,
      why: `${host.platform} on ${host.arch}`,
      fix: 'use Linux on x86-64 or aarch64',
    }),
    check('native addon', addonError === undefined, {
      state: 'missing',
      essential: true,
      why: addonError?.message ?? '',
      fix: 'npm run setup',
    }),
    check('kernel 5.10 or newer', kernelAtLeast(host.kernelRelease, 5, 10), {
      state: 'missing',
      essential: true,
      why: kernel,
      fix: 'boot a kernel of 5.10 or newer',
    }),
    check('BTF', host.btf, {
      state: 'missing',
      essential: true,
      why: '/sys/kernel/btf/vmlinux is missing',
      fix: 'boot a kernel built with CONFIG_DEBUG_INFO_BTF=y',
    }),
    check('load eBPF programs', can('CAP_BPF'), {
      state: 'missing',
      essential: true,
      why: 'CAP_BPF is missing',
      fix: RUN_AS_ROOT,
    }),
    check('sample every process', can('CAP_PERFMON'), {
      state: 'missing',
      essential: true,
      why: `CAP_PERFMON is missing and perf_event_paranoid is ${host.perfEventParanoid ?? 'unreadable'}`,
      fix: RUN_AS_ROOT,
    }),
    check(
      "sample this user's processes without privileges",
      host.perfEventParanoid !== undefined && host.perfEventParanoid <= 2,
      {
        state: 'missing',
        why: `perf_event_paranoid is ${host.perfEventParanoid ?? 'unreadable'}`,
        fix: 'sysctl kernel.perf_event_paranoid=2',
      },
    ),
    check("read other processes' mappings and files", host.capabilities.has('CAP_SYS_PTRACE'), {
      state: 'limited',
      why: 'CAP_SYS_PTRACE is missing: only mappings seen as they are made are known',
      fix: RUN_AS_ROOT,
    }),
    kallsymsCheck(host),
    check('host pid namespace', host.hostPidNamespace, {
      state: 'limited',
      why: 'this process is in a pid namespace of its own: processes outside of it are left out',
      fix: 'docker run --pid=host, or hostPID: true in the pod',
    }),
    lockdownCheck(host),
    ...probesChecks(host),
    check('tracefs', host.tracefs, {
      state: 'limited',
      optional: true,
      why: 'not mounted; nothing here needs it',
      fix: 'mount -t tracefs nodev /sys/kernel/tracing',
    }),
  ];
}

/** What the key `probes` can ask of this kernel; without them the rest works. */
function probesChecks(host: HostFacts): Check[] {
  const has = (name: 'kprobe' | 'uprobe', option: string, feature: string): Check =>
    check(feature, host.eventSources.has(name), {
      state: 'limited',
      optional: true,
      why: `the kernel is built without ${option}: such a probe is an error at the start`,
      fix: `boot a kernel built with ${option}=y`,
    });
  return [
    has('uprobe', 'CONFIG_UPROBES', 'probes of user functions'),
    has('kprobe', 'CONFIG_KPROBES', 'probes of kernel functions'),
    check('kernel frames above a kretprobe', kernelAtLeast(host.kernelRelease, 5, 15), {
      state: 'limited',
      optional: true,
      why: `kernel ${host.kernelRelease} cannot unwind through one: its stacks, and those below it, end there`,
      fix: 'boot a kernel of 5.15 or newer',
    }),
  ];
}

function kallsymsCheck(host: HostFacts): Check {
  const fix = host.capabilities.has('CAP_SYSLOG') ? 'sysctl kernel.kptr_restrict=1' : RUN_AS_ROOT;
  return check('kernel function names', host.kallsyms === 'readable', {
    state: 'limited',
    why: host.kallsyms === 'zeroed' ? '/proc/kallsyms shows no addresses' : '/proc/kallsyms cannot be read',
    fix,
  });
}

function lockdownCheck(host: HostFacts): Check {
  return check(
    'kernel lockdown',
    host.lockdown === undefined || host.lockdown === 'none' || host.lockdown === 'integrity',
    {
      state: 'missing',
      essential: true,
      why: `lockdown is "${host.lockdown ?? ''}": eBPF may not read memory`,
      fix: 'boot with lockdown=integrity or lockdown=none',
    },
  );
}

/** What trying has found: that eBPF is refused although everything promises it, and what is done without a helper. */
export function triedChecks(facts: ProbeFacts): Check[] {
  const error = facts['bpfError'];
  return [
    check('eBPF programs, tried', facts['bpf'] === true, {
      state: 'missing',
      essential: true,
      why: `the kernel refuses a program that does nothing: ${typeof error === 'string' ? error : 'no reason given'}`,
      fix: 'allow bpf(2): look at seccomp, at the container runtime and at the security modules',
    }),
    check('user stacks of samples in the kernel', facts['taskPtRegs'] === true, {
      state: 'limited',
      optional: true,
      why: 'bpf_task_pt_regs (5.15) is missing: registers are read from the end of the kernel stack, which works without KASAN',
      fix: 'boot a kernel of 5.15 or newer',
    }),
  ];
}

/** Whether the kernel tells of processes as they begin; `error` is why not. */
export function processEventsCheck(error: Error | undefined): Check {
  return check('events of processes that begin and end', error === undefined, {
    state: 'limited',
    optional: true,
    why: `${error?.message ?? ''}; process_sd_configs lists /proc every poll_interval instead`,
    fix: 'run as root or with CAP_NET_ADMIN, in the pid namespace of the host, and in its network namespace or with CAP_SYS_ADMIN',
  });
}

async function tryProcessEvents(): Promise<Error | undefined> {
  try {
    (await openProcessEvents('/proc', () => undefined)).close();
    return undefined;
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

/** The report that `otelcol-profiles doctor` prints. */
export async function runDoctor(): Promise<DoctorReport> {
  const probe = tryProbe();
  const checks = [
    ...diagnose(gatherHostFacts(), probe.error),
    ...(probe.facts === undefined
      ? []
      : [...triedChecks(probe.facts), processEventsCheck(await tryProcessEvents())]),
  ];
  const ok = checks.every((c) => c.essential !== true || c.state === 'works');
  const width = Math.max(...checks.map((c) => c.feature.length));
  const lines = checks.map((c) => {
    const head = `${c.feature.padEnd(width)}  ${c.state}`;
    const why = c.why === undefined ? '' : `\n${' '.repeat(width + 2)}why: ${c.why}`;
    const fix = c.fix === undefined ? '' : `\n${' '.repeat(width + 2)}fix: ${c.fix}`;
    return head + (c.state === 'works' ? '' : why + fix);
  });
  const verdict = ok
    ? 'the host can be profiled with eBPF'
    : 'the host cannot be profiled with eBPF as it is';
  return { text: `${lines.join('\n')}\n\n${verdict}`, checks, ok };
}

/** What works only in part on this host although the profiler runs; the same checks as the doctor's. */
export function limitations(): readonly Check[] {
  return diagnose(gatherHostFacts(), undefined).filter((c) => c.state === 'limited' && c.optional !== true);
}

/** The line that fixes a native failure on this host, where one is known. */
export function remedyFor(error: Error): string | undefined {
  const addonError =
    error instanceof NativeError && error.code === '' && error.message.includes('addon') ? error : undefined;
  return diagnose(gatherHostFacts(), addonError).find((c) => c.essential === true && c.state !== 'works')
    ?.fix;
}
