// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { DecodeError } from '../../internal/wire-reader.ts';
import { profileToFolded, stackNames } from '../../pdata/folded.ts';
import { listAt } from '../../pdata/tables.ts';
import { decodePprof } from '../pprof/decode.ts';
import { encodePprof } from '../pprof/encode.ts';
import { StringEncoding } from './cursor.ts';
import { decodeJfr, type DecodeJfrOptions, type JfrSeries, noJfrLosses } from './decode.ts';
import { JfrBytes, writeChunk } from './testing/chunk-writer.ts';
import { labelsSnapshot } from './testing/labels-snapshot.ts';
import { CLASSES, RecordingMaker } from './testing/recording-maker.ts';

const WORK = 'app/Main.main:10;app/Main.work:20';
const WAIT = 'app/Main.main:11;java/lang/Thread.sleep:0';

/** `name type/unit`, then the folded stacks, for each profile. */
function drawn(series: readonly JfrSeries[]): Record<string, string> {
  const out: Record<string, string> = {};
  for (const { name, batch } of series) {
    for (const { profile } of batch.profiles()) {
      const text = (row: number): string => batch.dictionary.text(row);
      const { sampleType, periodType } = profile;
      const type = `${text(sampleType.type)}:${text(sampleType.unit)}:${text(periodType.type)}:${text(periodType.unit)}`;
      out[`${name}:${type}`] = profileToFolded(batch.dictionary, profile);
    }
  }
  return out;
}

/** The folded stacks of the only profile. */
function only(bytes: Uint8Array, options: DecodeJfrOptions = {}): string {
  const all = Object.values(drawn(decodeJfr(bytes, options)));
  assert.equal(all.length, 1);
  return all[0] ?? '';
}

const running = (stack: string): { stack: string; state: string } => ({ stack, state: 'STATE_RUNNABLE' });

describe('a recording', () => {
  it('of CPU samples becomes process_cpu, with lines, frame types and the event as a label', () => {
    const bytes = new RecordingMaker()
      .setting('event', 'itimer')
      .add('jdk.ExecutionSample', running(WORK))
      .add('jdk.ExecutionSample', running(WORK))
      .add('jdk.ExecutionSample', running('[k].do_syscall_64;[n]libc.so.6.write;app/Main.work:21'))
      .chunk({ startNanos: 1_000n, durationNanos: 500n });
    const [series, ...others] = decodeJfr(bytes);
    assert.ok(series);
    assert.equal(others.length, 0);
    assert.equal(series.name, 'process_cpu');
    assert.deepEqual([...series.labels], [['jfr_event', 'itimer']]);
    const { dictionary } = series.batch;
    const [{ profile } = assert.fail()] = [...series.batch.profiles()];
    assert.equal(profile.timeUnixNano, 1_000n);
    assert.equal(profile.durationNano, 500n);
    assert.equal(profile.period, 10_000_000n);
    assert.equal(
      profileToFolded(dictionary, profile),
      '.do_syscall_64;libc.so.6.write;app/Main.work 10000000\napp/Main.main;app/Main.work 20000000',
    );
    const { locations } = dictionary.tables;
    const frames = [...listAt(dictionary.tables.stacks.locations, profile.samples.stack[1] ?? 0)].map(
      (row) => {
        const [attribute = 0] = listAt(locations.attributes, row);
        const type = dictionary.attributeValue(attribute);
        return [type.kind === 'string' ? type.value : '', locations.lineLine[locations.lineStart[row] ?? 0]];
      },
    );
    assert.deepEqual(frames, [
      ['jvm', 21n],
      ['native', 0n],
      ['kernel', 0n],
    ]);
  });

  it('of everything becomes the series of Pyroscope, with their types and values', () => {
    const maker = new RecordingMaker()
      .add('jdk.ExecutionSample', running(WORK))
      .add('profiler.WallClockSample', { stack: WAIT, state: 'STATE_SLEEPING', samples: 7 })
      .add('jdk.ObjectAllocationInNewTLAB', { stack: WORK, allocationSize: 24, tlabSize: 4096 })
      .add('jdk.ObjectAllocationInNewTLAB', { stack: WORK, allocationSize: 24, tlabSize: 2 ** 40 })
      .add('jdk.ObjectAllocationOutsideTLAB', { stack: WORK, allocationSize: 1_000_000 })
      .add('jdk.ObjectAllocationSample', { stack: WORK, weight: 300 })
      .add('profiler.LiveObject', { stack: WORK, allocationSize: 16 })
      .add('profiler.Malloc', { stack: WORK, address: 1, size: 64 })
      .add('profiler.Free', { address: 1 })
      .add('jdk.JavaMonitorEnter', { stack: WORK, duration: 3_000 })
      .add('jdk.JavaMonitorEnter', { stack: WORK, duration: 3_001 })
      .add('jdk.ThreadPark', { stack: WAIT, duration: 500 })
      .add('jdk.CPULoad', { cores: [1, 2, 3] });
    const work = (value: number): string => `app/Main.main;app/Main.work ${value}`;
    const wait = (value: number): string => `app/Main.main;java/lang/Thread.sleep ${value}`;
    assert.deepEqual(drawn(decodeJfr(maker.chunk({ ticksPerSecond: 1_000_000n }), { sampleRate: 50 })), {
      'process_cpu:cpu:nanoseconds:cpu:nanoseconds': work(20_000_000),
      'wall:wall:nanoseconds:wall:nanoseconds': wait(140_000_000),
      'memory:alloc_in_new_tlab_objects:count:space:bytes': work(2),
      'memory:alloc_in_new_tlab_bytes:bytes:space:bytes': work(2 ** 40 + 4096),
      'memory:alloc_outside_tlab_objects:count:space:bytes': work(1),
      'memory:alloc_outside_tlab_bytes:bytes:space:bytes': work(1_000_000),
      'memory:alloc_sample_objects:count:space:bytes': work(1),
      'memory:alloc_sample_bytes:bytes:space:bytes': work(300),
      'memory:live:count:objects:count': work(1),
      'memory:malloc_objects:count:space:bytes': work(1),
      'memory:malloc_bytes:bytes:space:bytes': work(64),
      'mutex:contentions:count:mutex:count': work(2),
      'mutex:delay:nanoseconds:mutex:count': work(6_001_000),
      'block:contentions:count:block:count': wait(1),
      'block:delay:nanoseconds:block:count': wait(500_000),
    });
  });

  it('of wall-clock samples counts those that do not sleep as CPU time too', () => {
    const maker = new RecordingMaker()
      .add('jdk.ExecutionSample', running(WORK))
      .add('jdk.ExecutionSample', { stack: WAIT, state: 'STATE_SLEEPING' })
      // It comes last on purpose: what the event was is known for all samples.
      .setting('event', 'wall');
    assert.deepEqual(drawn(decodeJfr(maker.chunk())), {
      'process_cpu:cpu:nanoseconds:cpu:nanoseconds': 'app/Main.main;app/Main.work 10000000',
      'wall:wall:nanoseconds:wall:nanoseconds':
        'app/Main.main;app/Main.work 10000000\napp/Main.main;java/lang/Thread.sleep 10000000',
    });
  });

  it('with CPU-time samples of JDK 25 takes them as CPU time, not the others', () => {
    const maker = new RecordingMaker()
      .add('jdk.ExecutionSample', running(WORK))
      .add('jdk.CPUTimeSample', { stack: WAIT, samplingPeriod: 20 })
      .add('jdk.CPUTimeSample', { stack: WAIT, samplingPeriod: 25 });
    assert.equal(
      only(maker.chunk({ ticksPerSecond: 1_000n })),
      'app/Main.main;java/lang/Thread.sleep 45000000',
    );
  });

  it('counts samples in native code only where that is asked for', () => {
    const maker = new RecordingMaker()
      .add('jdk.ExecutionSample', running(WORK))
      .add('jdk.NativeMethodSample', { stack: WAIT, state: 'STATE_IN_OBJECT_WAIT' });
    assert.equal(only(maker.chunk()), 'app/Main.main;app/Main.work 10000000');
    assert.equal(
      only(maker.chunk(), { nativeMethodSamples: true }),
      'app/Main.main;app/Main.work 10000000\napp/Main.main;java/lang/Thread.sleep 10000000',
    );
  });

  it('takes its period from itself, then from the sample rate, then 10 ms', () => {
    const classes = CLASSES.map((cls) => (cls.name === 'jdk.ExecutionSample' ? { ...cls, id: 101 } : cls));
    const cases: [string, string, number | undefined, number][] = [
      ['interval', '4000000', 100, 4_000_000],
      ['interval', '0', 50, 20_000_000],
      ['interval', '0', undefined, 10_000_000],
      ['period', '20 ms', 100, 20_000_000],
      ['period', '1 s', 100, 1_000_000_000],
      ['period', 'everyChunk', 100, 10_000_000],
    ];
    for (const [name, value, sampleRate, want] of cases) {
      const maker = new RecordingMaker().add('jdk.ExecutionSample', running('a.b')).setting(name, value, 101);
      const bytes = maker.chunk({ classes });
      assert.equal(
        only(bytes, sampleRate === undefined ? {} : { sampleRate }),
        `a.b ${want}`,
        `${name} ${value}`,
      );
    }
    for (const [event, name] of [
      ['wall', 'interval'],
      ['itimer', 'wall'],
    ] as const) {
      const maker = new RecordingMaker()
        .setting('event', event)
        .setting(name, '50000000', 101)
        .add('profiler.WallClockSample', { ...running('a.b'), samples: 2 });
      assert.equal(only(maker.chunk({ classes })), 'a.b 100000000', `${event} ${name}`);
    }
    const cycles = new RecordingMaker()
      .setting('event', 'cycles')
      .setting('interval', '1000000', 101)
      .add('jdk.ExecutionSample', running('a.b'));
    assert.equal(only(cycles.chunk({ classes })), 'a.b 10000000');
  });

  it('takes the labels of contexts as attributes, and spans as links', () => {
    const labels = labelsSnapshot(
      { 5: { region: 'eu', tenant: 'a' }, 6: { profile_id: '00000000000000ff' } },
      { 90: 'GET /' },
    );
    const maker = new RecordingMaker()
      .add('jdk.ExecutionSample', { ...running('a.b'), contextId: 5 })
      .add('jdk.ExecutionSample', { ...running('a.b'), contextId: 5 })
      .add('jdk.ExecutionSample', { ...running('a.b'), contextId: 6 })
      .add('jdk.ExecutionSample', { ...running('a.b'), contextId: 7 })
      .add('jdk.ExecutionSample', {
        ...running('a.b'),
        spanId: 0xabcn,
        spanName: 90,
        traceIdHi: 1,
        traceIdLo: -1n,
      });
    const [series] = decodeJfr(maker.chunk(), { labels });
    assert.ok(series);
    const { batch } = series;
    const [{ profile, scope } = assert.fail()] = [...batch.profiles()];
    const again = decodePprof(
      encodePprof(batch.dictionary, [profile], { scopeAttributes: scope.scope.attributes }),
    );
    const [{ profile: read } = assert.fail()] = [...again.profiles()];
    const labelsOf = (i: number): string[] =>
      [...listAt(read.samples.attributes, i)]
        .map((row) => {
          const value = again.dictionary.attributeValue(row);
          return `${again.dictionary.attributeKey(row)}=${value.kind === 'string' ? value.value : ''}`;
        })
        .sort();
    const rows = Array.from({ length: read.samples.length }, (_, i) => [
      String(read.samples.values[i]),
      ...stackNames(again.dictionary, read.samples.stack[i] ?? 0),
      ...labelsOf(i),
    ]);
    assert.deepEqual(rows, [
      ['20000000', 'a.b', 'region=eu', 'tenant=a'],
      ['10000000', 'a.b', 'span_id=00000000000000ff'],
      ['10000000', 'a.b'],
      [
        ...['10000000', 'a.b', 'span_id=0000000000000abc', 'span_name=GET /'],
        'trace_id=0000000000000001ffffffffffffffff',
      ],
    ]);
  });
});

describe('chunks', () => {
  const first = new RecordingMaker().add('jdk.ExecutionSample', running('a.b;a.c'));
  const second = new RecordingMaker()
    .add('jdk.ExecutionSample', running('x.y'))
    .add('jdk.ExecutionSample', running('a.b;a.c'));

  it('have constants and types of their own; equal stacks are one sample', () => {
    const bytes = Buffer.concat([
      first.chunk({ startNanos: 1_000n, durationNanos: 100n }),
      second.chunk({ startNanos: 1_100n, durationNanos: 50n, classes: CLASSES.toReversed() }),
    ]);
    const [{ profile } = assert.fail()] = [...(decodeJfr(bytes)[0]?.batch.profiles() ?? [])];
    assert.equal(only(bytes), 'a.b;a.c 20000000\nx.y 10000000');
    assert.equal(profile.samples.length, 2);
    assert.equal(profile.timeUnixNano, 1_000n);
    assert.equal(profile.durationNano, 150n);
  });

  it('are read whatever the order of metadata and constants, the version, the integers, the strings', () => {
    for (const compressed of [true, false]) {
      for (const stringEncoding of [StringEncoding.Utf8, StringEncoding.Chars, StringEncoding.Latin1]) {
        const options = {
          compressed,
          stringEncoding,
          constantsFirst: stringEncoding === 5,
          version: [1, 0],
        } as const;
        assert.equal(only(second.chunk(options)), 'a.b;a.c 10000000\nx.y 10000000');
      }
    }
    const greek = new RecordingMaker().add('jdk.ExecutionSample', running('λ/Ω.größe'));
    assert.equal(only(greek.chunk({ stringEncoding: StringEncoding.Chars })), 'λ/Ω.größe 10000000');
  });

  it('may have strings that are constants, and constants that refer to themselves', () => {
    const spec = first.spec();
    const [, names = []] = spec.checkpoints;
    const pools = names.map(([cls, entries]) =>
      cls === 'jdk.types.Symbol'
        ? ([cls, entries.map(([key]) => [key, { string: { constant: Number(key) } }] as const)] as const)
        : ([cls, entries] as const),
    );
    const strings = [
      [1, 'a'],
      [2, 'b'],
      [3, { constant: 3 }],
    ] as const;
    const bytes = writeChunk({
      ...spec,
      checkpoints: [...spec.checkpoints.slice(0, 1), pools, [['java.lang.String', strings]]],
    });
    // The class is constant 3, which is itself.
    assert.equal(only(bytes), '.b;.a 10000000');
  });

  it('may have classes and fields of names that every object has a member of', () => {
    const odd = [
      { name: 'valueOf', type: 'long' },
      { name: 'toString', type: 'constructor' },
    ];
    const values = { valueOf: 3, toString: { x: 4, y: 5 } };
    const classes = CLASSES.map((cls) =>
      cls.name === 'jdk.ExecutionSample' || cls.name === 'jdk.ActiveSetting'
        ? { ...cls, fields: [...odd, ...cls.fields] }
        : cls,
    );
    const maker = new RecordingMaker()
      .add('jdk.ActiveSetting', { id: 0, name: 'event', value: 'itimer', ...values })
      .add('jdk.ExecutionSample', { ...running('x.y'), ...values });
    const bytes = maker.chunk({
      classes: [
        { name: 'constructor', fields: ['x', 'y'].map((name) => ({ name, type: 'long' })) },
        ...classes,
      ],
    });
    assert.equal(only(bytes), 'x.y 10000000');
  });

  it('that are still being written are read as far as they go', () => {
    const losses = noJfrLosses();
    const whole = second.chunk({ incomplete: true });
    assert.equal(only(Buffer.concat([first.chunk(), whole]), { losses }), 'a.b;a.c 20000000\nx.y 10000000');
    assert.deepEqual(losses, { ...noJfrLosses(), incompleteChunks: 1 });
    const early = second.chunk({ incomplete: true, constantsFirst: true });
    assert.equal(only(early.subarray(0, -5)), 'x.y 10000000', 'the last event is torn');
    assert.deepEqual(decodeJfr(whole.subarray(0, 100)), [], 'no metadata yet');
    const begun = Buffer.from(whole.subarray(0, 68));
    begun.writeBigUInt64BE(68n, 8);
    begun.writeBigUInt64BE(0n, 24);
    assert.deepEqual(decodeJfr(Buffer.concat([first.chunk(), begun])).length, 1, 'its header alone');
  });

  it('lose samples without a stack and frames without a method, and say so', () => {
    const losses = noJfrLosses();
    const spec = first.spec();
    const [stacks = [], names = []] = spec.checkpoints;
    const bytes = writeChunk({
      ...spec,
      events: [...spec.events, ['jdk.ExecutionSample', { stackTrace: 999 }]],
      checkpoints: [
        stacks,
        names.map(([cls, all]) => [cls, cls === 'jdk.types.Method' ? all.slice(0, 1) : all]),
      ],
    });
    assert.equal(only(bytes, { losses }), 'a.c 10000000');
    assert.deepEqual(losses, { ...noJfrLosses(), samples: 1, frames: 1 });
  });
});

describe('names of functions', () => {
  it('are without what the JVM makes up at run time', () => {
    const names: [string, string][] = [
      ['org/example/Enclosing$$Lambda$4/1283928880', 'org/example/Enclosing$$Lambda_'],
      ['org/example/Enclosing$$Lambda$8/0x0000000800c01220', 'org/example/Enclosing$$Lambda_'],
      ['org/example/Enclosing$$Lambda$669.0x0000000800fd7318', 'org/example/Enclosing$$Lambda_'],
      ['Fib$$Lambda.0x00007ffa600c4da0', 'Fib$$Lambda_'],
      ['Fib$$Lambda+0x00007ffa600c4da0', 'Fib$$Lambda_'],
      ['Fib$$Lambda14', 'Fib$$Lambda_'],
      ['java/lang/invoke/LambdaForm$MH+0x00007f3a2c001000', 'java/lang/invoke/LambdaForm$MH_'],
      ['java/util/concurrent/Executors$RunnableAdapter', 'java/util/concurrent/Executors$RunnableAdapter'],
      ['jdk/internal/reflect/GeneratedMethodAccessor31', 'jdk/internal/reflect/GeneratedMethodAccessor_'],
      ['libzstd-jni-1.5.1-16931311898282279136.so', 'libzstd-jni-1.5.1-_.so'],
      [
        './tmp/libamazonCorrettoCryptoProvider109b39cf33c563eb.so (deleted)',
        'libamazonCorrettoCryptoProvider_.so',
      ],
      [
        'amazonCorrettoCryptoProviderNativeLibraries.7382c2f79097f415/libcrypto.so',
        'libamazonCorrettoCryptoProvider_.so',
      ],
      ['/tmp/libasyncProfiler-linux-x64-17b9a1d8156277a98ccc871afa9a8f69215f92.so', 'libasyncProfiler-_.so'],
      ['libc-2.31.so', 'libc-2.31.so'],
      ['$$Lambda1', '$$Lambda1'],
    ];
    for (const [name, want] of names) {
      const bytes = new RecordingMaker().add('jdk.ExecutionSample', running(`${name}.run`)).chunk();
      assert.equal(only(bytes), `${want}.run 10000000`, name);
    }
  });
});

describe('what is no recording', () => {
  const good = new RecordingMaker().add('jdk.ExecutionSample', running(WORK)).chunk();

  it('is refused with the place of the fault', () => {
    const changed = (at: number, value: number): Buffer => {
      const bytes = Buffer.from(good);
      bytes[at] = value;
      return bytes;
    };
    const cases: [Uint8Array, RegExp][] = [
      [new Uint8Array(0), /at byte 0: no chunk/],
      [Buffer.from('hello, world'), /at byte 0: no "FLR\\0" where a chunk should start/],
      [good.subarray(0, 40), /at byte 40: truncated chunk header/],
      [changed(5, 0), /at byte 4: version 0.1, want 1 or 2/],
      [changed(15, 9).fill(0, 8, 15), /at byte 8: chunk size 9/],
      [changed(31, 1).fill(0, 24, 31), /at byte 24: metadata at 1 of a chunk/],
      [Buffer.concat([good, Buffer.from('trailing')]), new RegExp(`at byte ${good.length}: no "FLR`)],
      [changed(68, 0), /at byte 68: an event of 0 bytes/],
    ];
    for (const [bytes, reason] of cases) {
      assert.throws(
        () => decodeJfr(bytes),
        (error) => error instanceof DecodeError && reason.test(error.message),
        String(reason),
      );
    }
    assert.throws(() => decodeJfr(good, { maxBytes: 100 }), /at byte 100: larger than 100 bytes/);
    assert.throws(() => decodeJfr(good, { labels: Uint8Array.of(0x0a, 9) }), /invalid JFR labels at byte/);
  });

  it('cannot make structures without end', () => {
    const field = (type: string, n = 1): { name: string; type: string }[] =>
      Array.from({ length: n }, (_, i) => ({ name: `f${i}`, type }));
    const event = (type: string): { name: string; fields: { name: string; type: string }[] } => ({
      name: 'jdk.ExecutionSample',
      fields: field(type),
    });
    const loop = [event('A'), { name: 'A', fields: field('B') }, { name: 'B', fields: field('A') }];
    const chunkOf = (
      classes: readonly { name: string; fields: { name: string; type: string }[] }[],
    ): Uint8Array => writeChunk({ classes, events: [], checkpoints: [] });
    assert.throws(() => decodeJfr(chunkOf(loop)), /class "A" holds itself/);
    const doubling = Array.from({ length: 40 }, (_, i) => ({ name: `C${i}`, fields: field(`C${i + 1}`, 2) }));
    assert.throws(
      () => decodeJfr(chunkOf([event('C0'), ...doubling, { name: 'C40', fields: [] }])),
      /structures hold each other too many times/,
    );
    assert.throws(() => decodeJfr(chunkOf([event('unheard/Of')])), /field "f0" of unknown type 9999/);
  });

  it('cannot have long names times many methods', () => {
    const long = 'x'.repeat(400_000);
    const maker = new RecordingMaker();
    for (let i = 0; i < 60; i++) maker.add('jdk.ExecutionSample', running(`${long}.m${i}`));
    assert.throws(() => decodeJfr(maker.chunk()), /names of functions take more than 8 times the size/);
  });

  it('cannot have one long text made again for each that refers to it', () => {
    const maker = new RecordingMaker();
    for (let i = 0; i < 300; i++) maker.add('jdk.ExecutionSample', running(`a.m${i}`));
    const spec = maker.spec();
    const checkpoints = spec.checkpoints.map((pools) =>
      pools.map(([cls, all]) =>
        cls === 'jdk.types.Symbol'
          ? ([cls, all.map(([key]) => [key, { string: { constant: 1 } }] as const)] as const)
          : ([cls, all] as const),
      ),
    );
    const strings = [['java.lang.String', [[1, 'x'.repeat(1 << 20)]]]] as const;
    const bytes = writeChunk({ ...spec, checkpoints: [...checkpoints, strings] });
    assert.throws(() => decodeJfr(bytes), /names of functions take more than 8 times the size/);
  });

  it('cannot be made of more chunks, or metadata of more entries, than there are in any recording', () => {
    const small = writeChunk({ classes: [], events: [], checkpoints: [] });
    const many = Buffer.alloc(small.length * 8_193, small);
    assert.deepEqual(decodeJfr(many.subarray(0, small.length * 3)), []);
    assert.throws(() => decodeJfr(many), /more than 8192 chunks/);
    const metadata = new JfrBytes();
    for (const value of [1 << 20, 0, 0, 0, 1, (1 << 19) + 1]) metadata.long(value);
    const bytes = Buffer.alloc(1 << 20);
    bytes.set(small.subarray(0, 68));
    bytes.writeBigUInt64BE(BigInt(bytes.length), 8);
    bytes.writeBigUInt64BE(68n, 24);
    bytes.set(metadata.bytes(), 68);
    bytes.writeUInt32BE(1, 64);
    assert.throws(() => decodeJfr(bytes), /runs past the end of the chunk/);
    bytes.set([0x80, 0x80, 0x30], 68);
    assert.throws(() => decodeJfr(bytes), /metadata with more than 524288 entries/);
  });

  it('that is a label no one would have is refused', () => {
    const labelled = (labels: Record<string, string>): Uint8Array => labelsSnapshot({ 1: labels });
    const many = Object.fromEntries(Array.from({ length: 129 }, (_, i) => [`l${i}`, 'x']));
    const cases: [Uint8Array, RegExp][] = [
      [labelled(many), /more than 128 labels in a context/],
      [labelled({ long: 'x'.repeat(4_097) }), /string of more than 4096 bytes/],
    ];
    for (const [labels, reason] of cases) assert.throws(() => decodeJfr(good, { labels }), reason);
  });
});
