// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { diagnose, processEventsCheck, runDoctor, triedChecks } from './doctor.ts';
import { gatherHostFacts, type HostFacts, type HostReader, kernelAtLeast } from './host-facts.ts';

const GOOD: Readonly<Record<string, string>> = {
  '/proc/self/status': 'Name:\tnode\nCapEff:\t000001ffffffffff\n',
  '/proc/self/ns/pid': 'pid:[4026531836]',
  '/proc/kallsyms': '0000000000000000 A fixed_percpu_data\nffffffff81000000 T _stext\n',
  '/proc/sys/kernel/perf_event_paranoid': '2\n',
  '/proc/sys/kernel/unprivileged_bpf_disabled': '2\n',
  '/proc/self/mounts': 'tracefs /sys/kernel/tracing tracefs rw 0 0\n',
  '/sys/kernel/security/lockdown': '[none] integrity confidentiality\n',
  '/sys/kernel/btf/vmlinux': '',
  '/sys/bus/event_source/devices/kprobe/type': '8\n',
  '/sys/bus/event_source/devices/uprobe/type': '9\n',
};

function facts(
  change: Readonly<Record<string, string | undefined>> = {},
  over: Partial<HostFacts> = {},
): HostFacts {
  const files = { ...GOOD, ...change };
  const read = (path: string): string | undefined => files[path];
  const reader: HostReader = { read, link: read, exists: (path) => files[path] !== undefined };
  return { ...gatherHostFacts(reader), platform: 'linux', arch: 'x64', kernelRelease: '6.1.0', ...over };
}

const failing = (host: HostFacts, addonError?: Error): string[] =>
  diagnose(host, addonError)
    .filter((c) => c.state !== 'works')
    .map((c) => c.feature);

describe('the doctor', () => {
  it('finds nothing wrong with a good host', () => {
    assert.deepEqual(failing(facts()), []);
  });

  const cases: readonly (readonly [string, HostFacts, string[]])[] = [
    ['aarch64', facts({}, { arch: 'arm64' }), ['machine']],
    ['no BTF', facts({ '/sys/kernel/btf/vmlinux': undefined }), ['BTF']],
    [
      'an old kernel',
      facts({}, { kernelRelease: '5.4.0-1' }),
      ['kernel 5.10 or newer', 'kernel frames above a kretprobe'],
    ],
    ['Linux 5.10', facts({}, { kernelRelease: '5.10.0-46' }), ['kernel frames above a kretprobe']],
    [
      'no kprobes',
      facts({ '/sys/bus/event_source/devices/kprobe/type': undefined }),
      ['probes of kernel functions'],
    ],
    [
      'no uprobes',
      facts({ '/sys/bus/event_source/devices/uprobe/type': undefined }),
      ['probes of user functions'],
    ],
    [
      'hidden kernel symbols',
      facts({ '/proc/kallsyms': '0000000000000000 T _stext\n' }),
      ['kernel function names'],
    ],
    ['no kernel symbols', facts({ '/proc/kallsyms': undefined }), ['kernel function names']],
    ['no tracefs', facts({ '/proc/self/mounts': '' }), ['tracefs']],
    [
      'confidentiality lockdown',
      facts({ '/sys/kernel/security/lockdown': 'none integrity [confidentiality]' }),
      ['kernel lockdown'],
    ],
    [
      'a strict perf_event_paranoid',
      facts({ '/proc/sys/kernel/perf_event_paranoid': '3' }),
      ["sample this user's processes without privileges"],
    ],
    ['a pid namespace', facts({ '/proc/self/ns/pid': 'pid:[4026532444]' }), ['host pid namespace']],
    [
      'no capabilities',
      facts({ '/proc/self/status': 'CapEff:\t0000000000000000\n' }),
      ['load eBPF programs', 'sample every process', "read other processes' mappings and files"],
    ],
  ];
  for (const [name, host, want] of cases) {
    it(`names what ${name} costs, why, and what fixes it`, () => {
      assert.deepEqual(failing(host), want);
      for (const c of diagnose(host, undefined)) {
        if (c.state !== 'works') assert.ok((c.why ?? '').length > 0 && (c.fix ?? '').length > 0, c.feature);
      }
    });
  }

  it('needs no CAP_SYS_RESOURCE', () => {
    const host = facts({ '/proc/self/status': 'CapEff:\t000001fffeffffff\n' });
    assert.ok(!host.capabilities.has('CAP_SYS_RESOURCE'));
    assert.deepEqual(failing(host), []);
  });

  it('says what trying has found', () => {
    const states = (tried: Record<string, unknown>): string[] =>
      triedChecks(tried).map((c) => `${c.feature}: ${c.state}${c.essential === true ? ', essential' : ''}`);
    assert.deepEqual(states({ bpf: true, taskPtRegs: true }), [
      'eBPF programs, tried: works, essential',
      'user stacks of samples in the kernel: works',
    ]);
    assert.deepEqual(states({ bpf: false, bpfError: 'EPERM', taskPtRegs: false }), [
      'eBPF programs, tried: missing, essential',
      'user stacks of samples in the kernel: limited',
    ]);
    assert.match(triedChecks({ bpf: false, bpfError: 'EPERM' })[0]?.why ?? '', /EPERM/);
  });

  it('says how to build a missing addon', () => {
    const [addon] = diagnose(facts(), new Error('not built')).filter((c) => c.feature === 'native addon');
    assert.deepEqual([addon?.state, addon?.why, addon?.fix], ['missing', 'not built', 'npm run setup']);
  });

  it('says why the kernel does not tell of processes, which nothing depends on', () => {
    assert.equal(processEventsCheck(undefined).state, 'works');
    const { state, why, optional } = processEventsCheck(new Error('send: ECONNREFUSED'));
    assert.deepEqual([state, optional], ['limited', true]);
    assert.match(
      why ?? '',
      /^send: ECONNREFUSED; process_sd_configs lists \/proc every poll_interval instead$/,
    );
  });

  it('reports on this host', async () => {
    const report = await runDoctor();
    assert.equal(
      report.ok,
      report.checks.every((c) => c.essential !== true || c.state === 'works'),
    );
    assert.match(report.text, /kernel 5\.10 or newer/);
  });

  it('compares kernel versions by number', () => {
    assert.ok(
      kernelAtLeast('6.18.44-x', 6, 9) && kernelAtLeast('5.17.0', 5, 17) && !kernelAtLeast('5.9.1', 5, 10),
    );
  });
});
