// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { decodeJfr, type JfrSeries, noJfrLosses } from '../../src/codecs/jfr/decode.ts';
import { readPprof } from '../../src/codecs/pprof/read.ts';
import { packageRoot } from '../../src/internal/package-root.ts';
import { toFolded } from '../../src/pdata/folded.ts';
import { allJdkVersions, findJdks, hasMaven, type Jdk, needJar, needJdk } from '../java.ts';
import { leftOutUnless } from '../left-out.ts';
import { compiledJava, JavaWorker, javaTool } from './java-programs.ts';
import { byStack, byStackOf, nanosOf, type Printed, printedEvents } from './jfr-print.ts';

const SHARED = join(packageRoot(), '..', 'shared', 'data', 'jfr');
const jdks = findJdks();
const [jdk] = jdks;
const WITHOUT_JAVA = leftOutUnless(jdk !== undefined, 'needs a JDK (11 or newer)');
const WITHOUT_JARS = WITHOUT_JAVA || leftOutUnless(hasMaven(), 'needs Maven, which fetches jars');
const folder = mkdtempSync(join(tmpdir(), 'jfr-test-'));
after(() => rmSync(folder, { recursive: true }));

function seriesOf(series: readonly JfrSeries[], name: string, type: string): JfrSeries {
  const found = series.find(
    ({ name: its, batch }) =>
      its === name &&
      [...batch.profiles()].some(({ profile }) => batch.dictionary.text(profile.sampleType.type) === type),
  );
  assert.ok(found, `no ${name} with ${type}`);
  return found;
}

/** That stacks and weights are the same but for what each event may lose where ticks become nanoseconds. */
function assertSame(ours: Map<string, number>, theirs: Map<string, number>, tolerance = 0): void {
  assert.ok(theirs.size > 0, 'no events');
  assert.deepEqual([...ours.keys()].sort(), [...theirs.keys()].sort());
  for (const [stack, weight] of theirs) {
    const off = Math.abs((ours.get(stack) ?? 0) - weight);
    assert.ok(off <= tolerance, `${stack}: ${ours.get(stack)}, want ${weight}`);
  }
}

describe('a recording of async-profiler that Pyroscope has read', () => {
  const file = join(SHARED, 'cpu.jfr.gz');

  it('becomes what Pyroscope makes of it', {
    skip: !existsSync(file) && `${file} is not there`,
  }, async () => {
    const losses = noJfrLosses();
    const [series, ...others] = decodeJfr(gunzipSync(readFileSync(file)), { sampleRate: 100, losses });
    const theirs = await readPprof(readFileSync(join(SHARED, 'cpu.jfr.expected.pb.gz')));
    assert.equal(others.length, 0);
    assert.ok(series);
    assert.equal(series.name, 'process_cpu');
    assert.deepEqual([...series.labels], [['jfr_event', 'cpu']]);
    assert.equal(toFolded(series.batch), toFolded(theirs));
    assert.deepEqual(losses, noJfrLosses());
  });
});

describe('recordings of the JDK', { skip: WITHOUT_JAVA }, () => {
  for (const major of allJdkVersions(jdks)) {
    it(`${major} say what its own reader says`, async () => {
      const one = needJdk(jdks, major);
      const hasCpuTime = one.major >= 25;
      const repository = join(folder, `repository-${one.major}`);
      const file = join(folder, `jdk-${one.major}.jfr`);
      const worker = new JavaWorker(one, [
        ...[`-XX:FlightRecorderOptions:repository=${repository}`, '-cp', compiledJava(folder, ['Work'], [])],
        'Work',
      ]);
      try {
        const pid = await worker.line('ready');
        const jcmd = (...args: string[]): void => {
          execFileSync(javaTool(one, 'jcmd'), [pid, ...args]);
        };
        const cpuTime = hasCpuTime ? ['jdk.CPUTimeSample#enabled=true'] : [];
        jcmd('JFR.start', 'name=test', 'settings=profile', ...cpuTime);
        await worker.work();
        // Before Java 14 nothing of a chunk is in its file until it is finished.
        for (const bytes of unfinished(repository)) if (major >= 14 || bytes.length > 0) decodeJfr(bytes);
        jcmd('JFR.dump', 'name=test', `filename=${join(folder, `early-${one.major}.jfr`)}`);
        await worker.work();
        jcmd('JFR.dump', 'name=test', `filename=${file}`);
      } finally {
        await worker.stop();
      }
      assertAsPrinted(one, file, hasCpuTime);
    });
  }
});

/** Chunks that the JVM is writing. */
function unfinished(repository: string): Buffer[] {
  const files = readdirSync(repository, { recursive: true, encoding: 'utf8' });
  const chunks = files.filter((name) => name.endsWith('.jfr')).map((name) => join(repository, name));
  assert.ok(chunks.length > 0, 'no chunk in the repository');
  return chunks.map((name) => readFileSync(name));
}

function assertAsPrinted(one: Jdk, file: string, hasCpuTime: boolean): void {
  const losses = noJfrLosses();
  const series = decodeJfr(readFileSync(file), { losses });
  const printed = printedEvents(one, file);
  const cpu = byStackOf(seriesOf(series, 'process_cpu', 'cpu'), 'cpu');
  if (hasCpuTime) {
    const events = printed('jdk.CPUTimeSample');
    const theirs = byStack(events, ({ values }) => nanosOf(values.samplingPeriod));
    assertSame(cpu, theirs, events.length);
  } else {
    const [{ profile } = assert.fail()] = [...seriesOf(series, 'process_cpu', 'cpu').batch.profiles()];
    assert.ok([10_000_000n, 20_000_000n].includes(profile.period), `period ${profile.period}`);
    assertSame(
      cpu,
      byStack(printed('jdk.ExecutionSample'), () => Number(profile.period)),
    );
  }
  const contended: [string, string][] = [
    ['mutex', 'jdk.JavaMonitorEnter'],
    ['block', 'jdk.ThreadPark'],
  ];
  for (const [name, event] of contended) {
    const events = printed(event);
    const mine = seriesOf(series, name, 'delay');
    assertSame(
      byStackOf(mine, 'contentions'),
      byStack(events, () => 1),
    );
    const theirs = byStack(events, ({ values }) => nanosOf(values.duration));
    assertSame(byStackOf(mine, 'delay'), theirs, events.length);
  }
  // Java 16 samples allocations; before, every new buffer of a thread was an event.
  const [event, type] =
    one.major >= 16
      ? ['jdk.ObjectAllocationSample', 'alloc_sample_bytes']
      : ['jdk.ObjectAllocationInNewTLAB', 'alloc_in_new_tlab_bytes'];
  assertSame(
    byStackOf(seriesOf(series, 'memory', type), type),
    byStack(printed(event), ({ values }) => values.weight ?? values.tlabSize ?? 0),
  );
  assert.deepEqual([losses.frames, losses.incompleteChunks], [0, 0]);
}

describe('async-profiler 4', { skip: WITHOUT_JARS }, () => {
  const profiled = (name: string, command: string): { series: readonly JfrSeries[]; printed: Printed } => {
    assert.ok(jdk);
    const file = join(folder, `${name}.jfr`);
    const path = compiledJava(
      folder,
      ['Work', 'Profiled'],
      [needJar('tools.profiler', 'async-profiler', '4.2')],
    );
    execFileSync(javaTool(jdk, 'java'), ['-cp', path, 'Profiled', `start,${command},jfr,file=${file}`]);
    return { series: decodeJfr(readFileSync(file), { sampleRate: 100 }), printed: printedEvents(jdk, file) };
  };

  it('sampling CPU time, the wall clock, allocations and locks says what the JDK reads in it', () => {
    const { printed, series } = profiled(
      'all',
      'event=itimer,interval=2ms,wall=10ms,alloc=64k,live,lock=1us',
    );
    for (const { labels } of series) assert.deepEqual([...labels], [['jfr_event', 'itimer']]);
    assertSame(
      byStackOf(seriesOf(series, 'process_cpu', 'cpu'), 'cpu'),
      byStack(printed('jdk.ExecutionSample'), () => 2_000_000),
    );
    assertSame(
      byStackOf(seriesOf(series, 'wall', 'wall'), 'wall'),
      byStack(printed('profiler.WallClockSample'), ({ values }) => (values.samples ?? 0) * 10_000_000),
    );
    assertSame(
      byStackOf(seriesOf(series, 'memory', 'alloc_in_new_tlab_bytes'), 'alloc_in_new_tlab_bytes'),
      byStack(printed('jdk.ObjectAllocationInNewTLAB'), ({ values }) => values.tlabSize ?? 0),
    );
    assertSame(
      byStackOf(seriesOf(series, 'memory', 'live'), 'live'),
      byStack(printed('profiler.LiveObject'), () => 1),
    );
    const locks = printed('jdk.JavaMonitorEnter');
    assertSame(
      byStackOf(seriesOf(series, 'mutex', 'delay'), 'delay'),
      byStack(locks, ({ values }) => nanosOf(values.duration)),
      locks.length,
    );
  });

  it('sampling the wall clock one by one gives CPU time of what does not sleep', () => {
    const { printed, series } = profiled('wall', 'event=wall,interval=10ms,nobatch');
    const events = printed('jdk.ExecutionSample');
    const awake = events.filter(({ values }) => JSON.stringify(values.state) !== '"STATE_SLEEPING"');
    assert.ok(awake.length > 0 && awake.length < events.length, `${awake.length} of ${events.length}`);
    assertSame(
      byStackOf(seriesOf(series, 'wall', 'wall'), 'wall'),
      byStack(events, () => 10_000_000),
    );
    assertSame(
      byStackOf(seriesOf(series, 'process_cpu', 'cpu'), 'cpu'),
      byStack(awake, () => 10_000_000),
    );
  });
});

describe("Pyroscope's Java agent", { skip: WITHOUT_JARS }, () => {
  it('uploads recordings with the labels of its threads', async () => {
    assert.ok(jdk);
    const agent = needJar('io.pyroscope', 'agent', '2.9.2');
    const path = compiledJava(folder, ['Work', 'Labelled'], [agent]);
    const upload = await firstUpload((port) => {
      assert.ok(jdk);
      const env = {
        ...process.env,
        PYROSCOPE_SERVER_ADDRESS: `http://127.0.0.1:${port}`,
        PYROSCOPE_APPLICATION_NAME: 'labelled',
        PYROSCOPE_FORMAT: 'jfr',
        PYROSCOPE_PROFILER_EVENT: 'itimer',
        PYROSCOPE_UPLOAD_INTERVAL: '1s',
      };
      return spawn(javaTool(jdk, 'java'), [`-javaagent:${agent}`, '-cp', path, 'Labelled'], {
        env,
        stdio: ['pipe', 'ignore', 'ignore'],
      });
    });
    const series = decodeJfr(upload.jfr, { labels: upload.labels });
    const cpu = seriesOf(series, 'process_cpu', 'cpu');
    const { dictionary } = cpu.batch;
    const [{ profile } = assert.fail()] = [...cpu.batch.profiles()];
    const labels = new Set(
      [...profile.samples.attributes.values].map((row) => {
        const value = dictionary.attributeValue(row);
        return `${dictionary.attributeKey(row)}=${value.kind === 'string' ? value.value : ''}`;
      }),
    );
    assert.deepEqual([...labels], ['tenant=blue']);
    assert.match(
      toFolded(cpu.batch),
      /Labelled\$\$Lambda_\.run;Work\.burn|Labelled\.lambda\$main\$\d+;Work\.burn/,
    );
  });
});

/** The first upload with labels, by a program that is given the port to send to. */
async function firstUpload(
  start: (port: number) => ReturnType<typeof spawn>,
): Promise<{ readonly jfr: Uint8Array; readonly labels: Uint8Array }> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const child = start((server.address() as AddressInfo).port);
  try {
    return await new Promise((resolve, reject) => {
      child.on('exit', () => reject(new Error('the program ended before it uploaded labels')));
      server.on('request', (request, response) => {
        const parts: Buffer[] = [];
        request.on('data', (part: Buffer) => parts.push(part));
        request.on('end', () => {
          response.end();
          const headers = { 'content-type': request.headers['content-type'] ?? '' };
          formOf(new Response(Buffer.concat(parts), { headers })).then((form) => {
            const [jfr, labels] = [form.get('jfr'), form.get('labels')];
            if (jfr !== undefined && labels !== undefined) resolve({ jfr, labels });
          }, reject);
        });
      });
    });
  } finally {
    child.removeAllListeners('exit');
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
    server.close();
    server.closeAllConnections();
  }
}

/** The parts of a multipart body, uncompressed. */
async function formOf(response: Response): Promise<ReadonlyMap<string, Uint8Array>> {
  const parts = new Map<string, Uint8Array>();
  for (const [name, part] of await response.formData()) {
    if (typeof part === 'string') continue;
    const bytes = new Uint8Array(await part.arrayBuffer());
    parts.set(name, bytes[0] === 0x1f ? gunzipSync(bytes) : bytes);
  }
  return parts;
}
