// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { FakeClock } from '../../internal/testing/fake-clock.ts';
import { RecordingConsumer } from '../../internal/testing/recording-consumer.ts';
import {
  never,
  testHost,
  testSettings,
  type TestHost,
  type TestSettings,
} from '../../internal/testing/settings.ts';
import { FakeAddon } from '../../native/testing/fake-addon.ts';
import type { DrawnSample } from '../../native/testing/block-writer.ts';
import { getText } from '../../pdata/attributes.ts';
import { profileToFolded } from '../../pdata/folded.ts';
import { targetsSchema } from './config.ts';
import { pyroscopeNaming } from './target.ts';
import { TargetProfiler } from './target-profiler.ts';

interface Bench {
  readonly addon: FakeAddon;
  readonly clock: FakeClock;
  readonly sink: RecordingConsumer;
  readonly settings: TestSettings;
  readonly host: TestHost;
  readonly receiver: TargetProfiler;
  /** Service and folded stacks of everything handed on. */
  seen(): string[];
  /** From now on these are the targets, where discovery tells of them. */
  tell(targets: readonly Readonly<Record<string, string>>[]): void;
}

const DEFAULTS = { targetsOnly: true, collectIntervalMs: 15_000, sampleRate: 97 };

function bench(config: Record<string, unknown>, addon = new FakeAddon(), isDynamic = false): Bench {
  let tell: Bench['tell'] = () => assert.fail('all targets are in the configuration');
  const clock = new FakeClock();
  const sink = new RecordingConsumer();
  const settings = testSettings('pyroscope_ebpf');
  const parsed = targetsSchema(DEFAULTS).parse({ symb_cache_size: 0, ...config });
  const era = {
    naming: pyroscopeNaming(''),
    metricPrefix: 'pyroscope',
    unmatchedName: 'ebpf/unspecified',
  } as const;
  const receiver = new TargetProfiler(settings, parsed, sink, era, {
    clock,
    load: () => addon,
    limitations: () => [],
    ...(isDynamic
      ? {
          discovery: (onTargets) => {
            tell = (targets) => onTargets(targets.map((labels) => new Map(Object.entries(labels))));
            return { ready: Promise.resolve(), start: async () => undefined, stop: async () => undefined };
          },
        }
      : {}),
  });
  const seen = (): string[] =>
    sink.batches.flatMap((batch) =>
      [...batch.profiles()].map(({ resource, profile }) =>
        [
          getText(resource.resource.attributes, 'service.name'),
          profileToFolded(batch.dictionary, profile),
        ].join(': '),
      ),
    );
  return {
    addon,
    clock,
    sink,
    settings,
    host: testHost(),
    receiver,
    seen,
    tell: (targets) => tell(targets),
  };
}

const busy = (pid: number, frame: string, container = ''): DrawnSample => ({
  pid,
  frames: [frame, 'main'],
  times: [1_500n, 1_600n],
  container,
});
const target = (pid: number, service: string): Record<string, string> => ({
  __process_pid__: String(pid),
  service_name: service,
});

describe('profiling of targets', () => {
  it('hands on the samples of targets, under their labels, and of nobody else', async () => {
    const { addon, clock, settings, receiver, host, sink, seen } = bench({
      targets: [
        { ...target(7, 'shop'), team: 'core', __meta_x: 'y' },
        { __container_id__: 'c0', service_name: 'box' },
      ],
    });
    addon.draw = () => [busy(7, 'a'), busy(8, 'b', 'c0'), busy(9, 'c'), busy(10, 'd', 'c0')];
    await receiver.start(host, never());
    await clock.advance(500);
    assert.deepEqual(seen(), ['shop: main;a 2', 'box: main;b 2\nmain;d 2']);
    const attributes = sink.batches[0]?.resources[0]?.resource.attributes ?? [];
    assert.deepEqual(attributes.map(({ key }) => `${key}=${getText(attributes, key)}`).sort(), [
      '__name__=process_cpu',
      'service.name=shop',
      'team=core',
    ]);
    const value = (name: string, labels = {}): number | undefined => settings.meter.value(name, labels);
    assert.equal(value('pyroscope_ebpf_active_targets'), 2);
    assert.equal(value('pyroscope_ebpf_profiling_sessions_total'), 1);
    assert.equal(value('pyroscope_ebpf_pprofs_total', { service_name: 'box' }), 1);
    assert.equal(value('pyroscope_ebpf_pprof_samples_total', { service_name: 'box' }), 2);
    assert.ok((value('pyroscope_ebpf_pprof_bytes_total', { service_name: 'box' }) ?? 0) > 50);
    assert.equal(settings.meter.recorded('pyroscope_fanout_latency').length, 1);
    assert.equal(value('receiver_ebpf_events', { outcome: 'target' }), 6);
    assert.equal(value('receiver_ebpf_events', { outcome: 'no_target' }), 2);
    await receiver.shutdown(never());
  });

  it('tells the native part its rate, its sizes and what to try', async () => {
    const told = async (config: Record<string, unknown>): Promise<unknown> => {
      const { addon, receiver, host } = bench({ targets: [target(7, 'a')], ...config });
      await receiver.start(host, never());
      await receiver.shutdown(never());
      const [options] = addon.made;
      assert.ok(options !== undefined);
      const { samplesPerSecond, nameCacheSize, maxSymbolBytes, symbolCacheBytes } = options;
      return {
        samplesPerSecond,
        nameCacheSize,
        maxSymbolBytes,
        symbolCacheBytes,
        tries: options.noKernelVersionCheck,
      };
    };
    const cache = mkdtempSync(join(tmpdir(), 'target-profiler-'));
    const plain = {
      samplesPerSecond: 97,
      nameCacheSize: 16_384,
      maxSymbolBytes: 64 << 20,
      symbolCacheBytes: 0,
      tries: false,
    };
    try {
      assert.deepEqual(await told({}), plain);
      assert.deepEqual(await told({ elf_cache_size: 32 }), { ...plain, maxSymbolBytes: 16 << 20 });
      const all = {
        sample_rate: 19,
        pid_cache_size: 64,
        build_id_cache_size: 8,
        no_kernel_version_check: true,
      };
      assert.deepEqual(await told({ ...all, symb_cache_path: cache, symb_cache_size: 80 }), {
        samplesPerSecond: 19,
        nameCacheSize: 32_768,
        maxSymbolBytes: 8 << 20,
        symbolCacheBytes: 10 << 20,
        tries: true,
      });
    } finally {
      rmSync(cache, { recursive: true });
    }
  });

  it('logs the native figures with verbose_mode, and not without', async () => {
    for (const verbose_mode of [true, false]) {
      const { clock, settings, receiver, host } = bench({ targets: [target(7, 'a')], verbose_mode });
      await receiver.start(host, never());
      await clock.advance(10_000);
      assert.equal(settings.logger.messages('info').includes('native profiler'), verbose_mode);
      await receiver.shutdown(never());
    }
  });

  it('tells the kernel whom to sample where the configuration names all targets', async () => {
    const { addon, receiver, host } = bench({ targets: [target(7, 'a'), { __container_id__: 'c*[0]' }] });
    await receiver.start(host, never());
    assert.deepEqual(addon.made[0]?.filter, [
      { include: true, pid: 7 },
      { include: true, containerId: 'c\\*\\[0]' },
      { include: false, chosen: true },
    ]);
    await receiver.shutdown(never());
  });

  it('puts what is no target under default_target, or under a name of its own', async () => {
    for (const [config, want] of [
      [{ default_target: { service_name: 'rest', team: 'ops' } }, 'rest'],
      [{ default_target: { team: 'ops' } }, 'unspecified'],
      [{}, 'ebpf/unspecified'],
    ] as const) {
      const { addon, clock, receiver, host, seen } = bench({
        targets: [target(7, 'shop')],
        targets_only: false,
        ...config,
      });
      addon.draw = () => [busy(7, 'a'), busy(9, 'c'), busy(10, 'c')];
      await receiver.start(host, never());
      await clock.advance(500);
      assert.deepEqual(seen(), ['shop: main;a 2', `${want}: main;c 4`]);
      assert.deepEqual(addon.made[0]?.filter, []);
      assert.deepEqual(addon.leftOut, []);
      await receiver.shutdown(never());
    }
  });

  it('profiles nothing without targets, and says so', async () => {
    const { addon, settings, receiver, host } = bench({});
    await receiver.start(host, never());
    assert.equal(addon.made.length, 0);
    assert.deepEqual(settings.logger.messages('warn'), ['there are no targets: nothing is profiled']);
    await receiver.shutdown(never());
  });

  it('warns once of options of targets that do not act', async () => {
    const option = { __meta_pyroscope_ebpf_options_python_bpf_debug_log: 'true' };
    const { settings, receiver, host } = bench({
      targets: [
        { ...target(7, 'a'), ...option },
        { ...target(8, 'b'), ...option },
      ],
    });
    await receiver.start(host, never());
    assert.deepEqual(settings.logger.messages('warn'), ['a target has an option that has no effect']);
    await receiver.shutdown(never());
  });

  it('counts what nobody took', async () => {
    const { clock, settings, sink, receiver, host } = bench({ targets: [target(7, 'a')] });
    sink.failWith(new Error('full'));
    await receiver.start(host, never());
    await clock.advance(500);
    assert.equal(settings.meter.value('pyroscope_ebpf_pprofs_dropped_total', {}), 1);
    assert.equal(settings.meter.value('pyroscope_ebpf_profiling_sessions_failing_total', {}), 1);
    await receiver.shutdown(never());
  });

  it('fails to start where eBPF is refused', async () => {
    const { settings, receiver, host } = bench({ targets: [target(7, 'a')] }, new FakeAddon(['ebpf']));
    await assert.rejects(receiver.start(host, never()), /the eBPF profiler cannot start/);
    assert.equal(settings.meter.value('pyroscope_ebpf_profiling_sessions_failing_total', {}), 1);
    await receiver.shutdown(never());
  });
});

describe('profiling of targets that are discovered', () => {
  const dynamic = (config: Record<string, unknown> = {}): Bench => bench(config, new FakeAddon(), true);

  it('keeps samples until discovery tells whose they are, also of a process that is gone by then', async () => {
    const { addon, clock, settings, receiver, host, seen, tell } = dynamic({ collect_interval: '5s' });
    addon.draw = (n) => (n === 1 ? [busy(7, 'short', 'c0'), busy(9, 'other')] : [busy(9, 'other')]);
    await receiver.start(host, never());
    await clock.advance(500);
    assert.deepEqual(seen(), []);
    assert.ok((settings.meter.value('receiver_ebpf_waiting_bytes', {}) ?? 0) > 0);
    tell([{ __container_id__: 'c0', service_name: 'job' }]);
    await clock.advance(5000);
    assert.deepEqual(seen(), ['job: main;short 2']);
    assert.equal(settings.meter.value('receiver_ebpf_events', { outcome: 'late' }), 2);
    await receiver.shutdown(never());
  });

  it('matches what was sampled with a target that came and went between two reports', async () => {
    const { addon, clock, receiver, host, seen, tell } = dynamic({ collect_interval: '5s' });
    addon.draw = (n) => (n === 2 ? [busy(7, 'short')] : [busy(9, 'other')]);
    await receiver.start(host, never());
    await clock.advance(1000);
    tell([target(7, 'job')]);
    tell([]);
    await clock.advance(5000);
    assert.deepEqual(seen(), ['job: main;short 2']);
    await receiver.shutdown(never());
  });

  it('gives up after late_binding_timeout, and has the kernel leave the process out until it is a target', async () => {
    const { addon, clock, settings, receiver, host, seen, tell } = dynamic({
      collect_interval: '5s',
      late_binding_timeout: '10s',
    });
    addon.draw = () => [busy(9, 'other')];
    await receiver.start(host, never());
    await clock.advance(10_400);
    assert.deepEqual(addon.leftOut, []);
    await clock.advance(5000);
    assert.deepEqual(addon.leftOut.at(0), [[9], true]);
    assert.equal(settings.meter.value('receiver_ebpf_waiting_bytes', {}), 0);
    assert.equal(settings.meter.value('receiver_ebpf_events', { outcome: 'no_target' }), 6);
    tell([target(9, 'found')]);
    assert.deepEqual(addon.leftOut.at(-1), [[9], false]);
    await clock.advance(5000);
    assert.deepEqual(seen(), ['found: main;other 2']);
    await receiver.shutdown(never());
  });

  it('does not leave out a target for the pid that it has of a process that waited in vain', async () => {
    const { addon, clock, receiver, host, seen, tell } = dynamic({
      collect_interval: '5s',
      late_binding_timeout: '12s',
    });
    addon.draw = () => [busy(9, 'ended')];
    await receiver.start(host, never());
    tell([{ __container_id__: 'c0', service_name: 'box' }]);
    await clock.advance(500);
    addon.draw = () => [busy(9, 'work', 'c0')];
    await clock.advance(15_000);
    assert.deepEqual(seen(), ['box: main;work 2', 'box: main;work 2', 'box: main;work 2']);
    assert.deepEqual(addon.leftOut, []);
    await receiver.shutdown(never());
  });

  it('does not wait with late_binding_timeout 0, and never beyond the bytes', async () => {
    for (const config of [{ late_binding_timeout: '0s' }, {}]) {
      const { addon, clock, settings, receiver, host } = dynamic({ ...config, late_binding_max_mib: 1 });
      const frames = Array.from({ length: 20 }, (_, i) => String(i).padEnd(100_000, 'x'));
      addon.draw = () => [{ pid: 9, frames, times: [1n] }];
      await receiver.start(host, never());
      await clock.advance(500);
      const outcome = config.late_binding_timeout === undefined ? 'no_room' : 'no_target';
      assert.equal(settings.meter.value('receiver_ebpf_events', { outcome }), 1);
      assert.equal(settings.meter.value('receiver_ebpf_waiting_bytes', {}), 0);
      await receiver.shutdown(never());
    }
  });

  it('hands on what still waits when it stops, under the default target', async () => {
    const { addon, clock, receiver, host, seen } = dynamic({ targets_only: false });
    addon.draw = () => [busy(9, 'other')];
    await receiver.start(host, never());
    await clock.advance(500);
    assert.deepEqual(seen(), []);
    await receiver.shutdown(never());
    assert.deepEqual(seen(), ['ebpf/unspecified: main;other 2', 'ebpf/unspecified: main;other 2']);
  });

  it('loads nothing into the kernel in lazy mode before there is a target', async () => {
    const { addon, clock, receiver, host, seen, tell } = dynamic({ lazy_mode: true });
    await receiver.start(host, never());
    await clock.advance(60_000);
    assert.equal(addon.made.length, 0);
    tell([]);
    assert.equal(addon.made.length, 0);
    tell([target(7, 'shop')]);
    await clock.advance(500);
    assert.equal(addon.made.length, 1);
    assert.equal(seen().length, 1);
    await receiver.shutdown(never());
  });

  it('stops the collector where eBPF turns out to be refused in lazy mode', async () => {
    const { clock, receiver, host, tell } = bench({ lazy_mode: true }, new FakeAddon(['ebpf']), true);
    await receiver.start(host, never());
    tell([target(7, 'shop')]);
    await clock.advance(0);
    assert.deepEqual(
      host.events.map(({ status }) => status),
      ['fatal_error'],
    );
    await receiver.shutdown(never());
  });
});
