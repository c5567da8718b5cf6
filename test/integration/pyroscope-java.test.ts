// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { findJdks, hasMaven, type Jdk, needJar } from '../java.ts';
import { leftOutUnless } from '../left-out.ts';
import { BothEnds, shareOf, totalOf } from './both-ends.ts';
import { compiledJava, JavaWorker, javaTool } from './java-programs.ts';
import { byStack, nanosOf, type Printed, printedEvents } from './jfr-print.ts';

const CPU = 'process_cpu:cpu:nanoseconds:cpu:nanoseconds';
const ALLOCATED = 'alloc_in_new_tlab_bytes:bytes:space:bytes';
const WAITED = 'mutex:delay:nanoseconds:mutex:count';
/** What the agent calls CPU time, over OTLP only. */
const ITIMER = 'itimer:itimer:ns:itimer:ns';
const EU = { region: 'eu' };
const WITHIN_MS = 120_000;
// The allocations of older ones are other events.
const jdk = findJdks().find(({ major }) => major >= 16);
const WITHOUT_JAVA = leftOutUnless(jdk !== undefined, 'needs a JDK (16 or newer)');
const WITHOUT_AGENT = WITHOUT_JAVA || leftOutUnless(hasMaven(), 'needs Maven, which fetches the agent');
const folder = mkdtempSync(join(tmpdir(), 'pyroscope-java-'));
after(() => rmSync(folder, { recursive: true }));

/** Tells from the stacks of a type whether enough of them have come. */
type Enough = (folded: string) => boolean;

/** Whether it has come at all. */
const some =
  (name: RegExp): Enough =>
  (folded) =>
    name.test(folded);
/** Whether it is more than half: the first seconds are those of the compiler, the more of them the busier the machine. */
const most =
  (name: RegExp): Enough =>
  (folded) =>
    shareOf(folded, name) > 0.5;

/** Runs a program that works under Pyroscope's agent until over push.v1 enough of all types has come. */
async function underAgent(
  ends: BothEnds,
  service: string,
  env: NodeJS.ProcessEnv,
  wanted: Readonly<Record<string, Enough>>,
): Promise<void> {
  assert.ok(jdk);
  const agent = needJar('io.pyroscope', 'agent', '2.9.2');
  const worker = new JavaWorker(jdk, [`-javaagent:${agent}`, '-cp', compiledJava(folder, ['Work']), 'Work'], {
    PYROSCOPE_APPLICATION_NAME: service,
    PYROSCOPE_LABELS: 'region=eu',
    PYROSCOPE_PROFILER_EVENT: 'itimer',
    PYROSCOPE_UPLOAD_INTERVAL: '1s',
    PYROSCOPE_LOG_LEVEL: 'error',
    ...env,
  });
  try {
    await worker.line('ready');
    const end = performance.now() + WITHIN_MS;
    for (const [type, isEnough] of Object.entries(wanted)) {
      for (;;) {
        const folded = await ends.push.folded(type, service);
        if (isEnough(folded)) break;
        const types = await ends.push.types(service);
        assert.ok(performance.now() < end, `${type}: ${folded}; ${types.join(' ')}; ${ends.log.join('\n')}`);
        await worker.work();
      }
    }
    // Whoever is ended takes an upload under way back, from one end or from both. One that stands still gets its answer.
    worker.freeze();
    await ends.drain();
  } finally {
    await worker.stop();
  }
  ends.assertAllTaken();
}

describe('profiles of Java arrive over push.v1 and OTLP, with types, labels, totals and functions', () => {
  it("of Pyroscope's agent as recordings", { skip: WITHOUT_AGENT }, async (t) => {
    const ends = await BothEnds.start({ pyroscope: { endpoint: '127.0.0.1:0' } });
    t.after(() => ends.stop());
    const env = {
      PYROSCOPE_SERVER_ADDRESS: ends.endpoint('Pyroscope server listens'),
      PYROSCOPE_FORMAT: 'jfr',
      PYROSCOPE_PROFILER_ALLOC: '64k',
      PYROSCOPE_PROFILER_LOCK: '1us',
    };
    await underAgent(ends, 'java-shop', env, {
      [CPU]: most(/Work\.burn/),
      [`memory:${ALLOCATED}`]: some(/Work\.burn/),
      [WAITED]: some(/Work\.compete/),
    });
    const cpu = await ends.same('java-shop', { ...EU, jfr_event: 'itimer', pyroscope_spy: 'javaspy' }, CPU);
    assert.match(cpu, /Work\.burn/);
    // Ticks of 10 ms.
    assert.equal(totalOf(cpu) % 1e7, 0);
    await ends.same('java-shop', EU, `memory:${ALLOCATED}`, `space:${ALLOCATED}`);
    await ends.same('java-shop', EU, WAITED);
  });

  it("of Pyroscope's agent as OTLP", { skip: WITHOUT_AGENT }, async (t) => {
    // It sends neither name nor labels: whoever runs the collector gives them.
    const receivers = { otlp: { protocols: { http: { endpoint: '127.0.0.1:0' } } } };
    const ends = await BothEnds.start(receivers, 'java-otlp');
    t.after(() => ends.stop());
    const env = { PYROSCOPE_SERVER_ADDRESS: ends.endpoint('OTLP server listens'), PYROSCOPE_FORMAT: 'otlp' };
    await underAgent(ends, 'java-otlp', env, { [ITIMER]: most(/Work\.burn/) });
    const cpu = await ends.same('java-otlp', {}, ITIMER);
    assert.match(cpu, /Work\.burn/);
    assert.equal(totalOf(cpu) % 1e7, 0);
  });

  it('of the JDK: a file of jcmd JFR.dump, sent to /ingest', { skip: WITHOUT_JAVA }, async (t) => {
    assert.ok(jdk);
    const ends = await BothEnds.start({ pyroscope: { endpoint: '127.0.0.1:0' } });
    t.after(() => ends.stop());
    const file = await recorded(jdk);
    const url = new URL('/ingest', ends.endpoint('Pyroscope server listens'));
    url.search = new URLSearchParams({
      name: 'jcmd-shop{region=eu}',
      format: 'jfr',
      from: String(Math.floor(Date.now() / 1000) - 60),
      until: String(Math.floor(Date.now() / 1000)),
    }).toString();
    const answer = await fetch(url, { method: 'POST', body: readFileSync(file) });
    assert.equal(answer.status, 200, await answer.text());
    ends.assertAllTaken();
    const printed = printedEvents(jdk, file);
    const cpu = await ends.same('jcmd-shop', EU, CPU);
    assert.ok(shareOf(cpu, /Work\.burn/) > 0.5, cpu);
    const ticks = totalOf(cpu) / printedTotal(printed('jdk.ExecutionSample'), () => 1);
    assert.ok([10_000_000, 20_000_000].includes(ticks), `${ticks} ns a sample`);
    const mutex = await ends.same('jcmd-shop', EU, WAITED);
    assert.match(mutex, /Work\.compete/);
    const locks = printed('jdk.JavaMonitorEnter');
    const waited = printedTotal(locks, ({ values }) => nanosOf(values.duration));
    assert.ok(Math.abs(totalOf(mutex) - waited) <= locks.length, `${totalOf(mutex)} for ${waited}`);
    const counted = await ends.same('jcmd-shop', EU, 'mutex:contentions:count:mutex:count');
    assert.equal(totalOf(counted), locks.length);
    const sampled = 'alloc_sample_bytes:bytes:space:bytes';
    const allocated = await ends.same('jcmd-shop', EU, `memory:${sampled}`, `space:${sampled}`);
    const bytes = printedTotal(printed('jdk.ObjectAllocationSample'), ({ values }) => values.weight ?? 0);
    assert.equal(totalOf(allocated), bytes);
  });
});

/** The weight of all events that have frames: a flame graph has no others. */
const printedTotal = (events: ReturnType<Printed>, weightOf: Parameters<typeof byStack>[1]): number =>
  [...byStack(events, weightOf)].reduce((sum, [stack, value]) => (stack === '' ? sum : sum + value), 0);

/** A recording of a program that works, made with jcmd. */
async function recorded(jdk: Jdk): Promise<string> {
  const file = join(folder, 'jcmd.jfr');
  const worker = new JavaWorker(jdk, ['-cp', compiledJava(folder, ['Work']), 'Work']);
  try {
    const pid = await worker.line('ready');
    const jcmd = (...args: string[]): void => {
      execFileSync(javaTool(jdk, 'jcmd'), [pid, ...args]);
    };
    jcmd('JFR.start', 'name=test', 'settings=profile');
    for (let round = 0; round < 3; round++) await worker.work();
    jcmd('JFR.dump', 'name=test', `filename=${file}`);
  } finally {
    await worker.stop();
  }
  return file;
}
