// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { release } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { promisify } from 'node:util';
import { Worker } from 'node:worker_threads';
import * as z from 'zod';
import { processSdSchema } from '../../src/discovery/process/config.ts';
import { processSource } from '../../src/discovery/process/source.ts';
import { runSource } from '../../src/discovery/testing/run-source.ts';
import { packageRoot } from '../../src/internal/package-root.ts';
import { kernelAtLeast } from '../../src/native/host-facts.ts';
import type { ProcessEventOptions, ProcessEvents } from '../../src/native/process-changes.ts';
import { openProcessEvents } from '../../src/native/process-events.ts';
import { WITHOUT_ROOT } from '../left-out.ts';

const HOST = { proc: '/proc', passwd: '/etc/passwd' };
/** Forks that end at once, in a loop without any program of their own; argument: how many. */
const FORKS = 'for (1 .. $ARGV[0]) { my $pid = fork // die; exit 0 unless $pid; waitpid $pid, 0 }';

/** All that was told since the start. */
class Heard {
  readonly began = new Set<number>();
  readonly ended = new Set<number>();
  lost = false;
  refused = 0;
  takes = 0;
  events: ProcessEvents | undefined;
  #wake: () => void = () => undefined;

  /** What `ready` calls. */
  take(): void {
    const changes = this.events?.take(1_000);
    if (changes === undefined) return;
    this.takes++;
    for (const pid of changes.began) this.began.add(pid);
    for (const pid of changes.ended) this.ended.add(pid);
    this.lost ||= changes.lost;
    this.refused = changes.refused;
    this.#wake();
  }

  async until(holds: () => boolean): Promise<void> {
    while (!holds())
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
  }
}

async function listen(t: TestContext, options: Partial<ProcessEventOptions> = {}): Promise<Heard> {
  const heard = new Heard();
  const events = await openProcessEvents('/proc', () => heard.take(), options);
  heard.events = events;
  // Events do not keep a process alive.
  const alive = setInterval(() => undefined, 1_000);
  t.after(() => {
    events.close();
    clearInterval(alive);
  });
  // What was told before it could be taken.
  heard.take();
  return heard;
}

async function started(
  t: TestContext,
  command: string,
  args: readonly string[],
): Promise<[ChildProcess, number]> {
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  t.after(() => child.kill('SIGKILL'));
  await once(child, 'spawn');
  assert.ok(child.pid !== undefined);
  return [child, child.pid];
}

async function ran(command: string, args: readonly string[]): Promise<void> {
  const child = spawn(command, args, { stdio: 'inherit' });
  const [code] = await once(child, 'exit');
  assert.equal(code, 0, `${command} ended with ${code}`);
}

/** What a Node of its own says that subscribes; `wrapper` is what starts it. */
async function saidBy(wrapper: readonly string[], then = '', options: object = {}): Promise<string> {
  const program = `
    const { openProcessEvents } = await import(${JSON.stringify(join(packageRoot(), 'src/native/process-events.ts'))});
    try {
      const events = await openProcessEvents('/proc', () => undefined, ${JSON.stringify(options)});
      console.log('open');
      ${then}
      events.close();
    } catch (error) {
      console.log(error.message);
    }`;
  const node = [process.execPath, '--import', 'tsx', '--input-type=module', '--eval', program];
  const [command = '', ...args] = [...wrapper, ...node];
  const { stdout } = await promisify(execFile)(command, args, { cwd: packageRoot() });
  return stdout.trim();
}

describe('events of processes, from this kernel', { timeout: 300_000, skip: WITHOUT_ROOT }, () => {
  it('tell of programs that begin and end, and not of threads', async (t) => {
    const heard = await listen(t);
    const worker = new Worker('setInterval(() => undefined, 1000)', { eval: true });
    await once(worker, 'online');
    const threads = readdirSync('/proc/self/task').map(Number);
    const [child, pid] = await started(t, 'sleep', ['1000']);
    await heard.until(() => heard.began.has(pid));
    await worker.terminate();
    child.kill('SIGKILL');
    await heard.until(() => heard.ended.has(pid));
    assert.deepEqual(
      threads.filter((thread) => heard.began.has(thread) || heard.ended.has(thread)),
      [],
    );
    assert.deepEqual([heard.lost, heard.refused], [false, 0]);
  });

  it('tell of copies that never become another program', async (t) => {
    const heard = await listen(t);
    const [child] = await started(t, 'sh', ['-c', 'exec 3<&0; (read x <&3) & echo $!; wait']);
    assert.ok(child.stdout !== null);
    const [line] = await once(child.stdout, 'data');
    const copy = Number(String(line));
    assert.ok(copy > 0);
    await heard.until(() => heard.began.has(copy));
    child.stdin?.end('\n');
    await heard.until(() => heard.ended.has(copy));
  });

  it('keep a storm of forks from whoever listens', async (t) => {
    const heard = await listen(t);
    const before = heard.takes;
    const startedMs = performance.now();
    await ran('perl', ['-e', FORKS, '5000']);
    const tookMs = performance.now() - startedMs;
    const [, pid] = await started(t, 'sleep', ['1000']);
    await heard.until(() => heard.began.has(pid));
    t.diagnostic(`${Math.round(5_000_000 / tookMs)} forks/s, told ${heard.takes - before} times`);
    assert.equal(heard.lost, false);
    // Others may begin on this host meanwhile, 5,000 do not.
    assert.ok(heard.began.size < 1_000, `told of ${heard.began.size} that began`);
    assert.ok(heard.ended.size < 1_000, `told of ${heard.ended.size} that ended`);
    assert.ok(heard.takes - before <= 2 + (performance.now() - startedMs) / 5);
  });

  it('that the kernel had to drop are told to be lost, and everything is read again', async (t) => {
    const source = runSource(t, (context) =>
      processSource(processSdSchema(z.never()).parse({}), context, undefined, {
        folders: HOST,
        // So short that two events fill it.
        openEvents: (proc, ready) => openProcessEvents(proc, ready, { receiveBufferBytes: 1 }),
      }),
    );
    const has = (pid: number): boolean =>
      source.targets().some((labels) => labels['__process_pid__'] === String(pid));
    while (!has(process.pid)) await new Promise((resolve) => setTimeout(resolve, 10));
    await ran('perl', ['-e', FORKS, '5000']);
    // The clock of the source stands still: it does not rest, nor does it read everything at its time.
    const lost = (): boolean => source.running.status.leftOut > 0;
    for (const ms of Array.from({ length: 400 }, () => 100)) {
      if (lost()) break;
      await source.clock.advance(ms);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    assert.ok(lost(), 'no event was lost');
    assert.match(source.running.status.lastError ?? '', /the kernel had to drop some/);
    const [, pid] = await started(t, 'sleep', ['1000']);
    while (!has(pid)) {
      await source.clock.advance(100);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    assert.equal(source.running.status.way, 'events');
  });

  it('count only when the kernel sends them', async (t) => {
    const heard = await listen(t);
    const forged = `
import socket, struct
own = socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, 11)
own.bind((0, 0))
event = struct.pack('=IIQ', 2, 0, 0) + struct.pack('=IIIIII', 4000000, 4000000, 0, 0, 0, 0)
connector = struct.pack('=IIIIHH', 1, 1, 0, 0, len(event), 0) + event
message = struct.pack('=IHHII', 16 + len(connector), 3, 0, 0, 0) + connector
sent = 0
for line in open('/proc/net/netlink').read().splitlines()[1:]:
    fields = line.split()
    port = int(fields[2])
    if fields[1] == '11' and port not in (0, own.getsockname()[0]):
        own.sendto(message, (port, 0))
        sent += 1
own.sendto(message, (0, 1))
assert sent > 0`;
    await ran('python3', ['-c', forged]);
    const [, pid] = await started(t, 'sleep', ['1000']);
    await heard.until(() => heard.began.has(pid) && heard.refused >= 2);
    assert.equal(heard.began.has(4_000_000), false);
  });

  it('are had from another network namespace where it is known which, and else said to be missing', async () => {
    const without = await saidBy(['unshare', '--net'], '', { networkNamespace: '' });
    assert.match(without, /not to be had in this network namespace: send: ECONNREFUSED/);
    const options = { networkNamespace: `/proc/${process.pid}/ns/net` };
    assert.equal(await saidBy(['unshare', '--net'], '', options), 'open');
  });

  it('are refused in another pid or user namespace', async () => {
    const pid = await saidBy(['unshare', '--fork', '--pid', '--mount-proc']);
    assert.equal(pid, "the kernel tells of processes in the host's first pid namespace only");
    const user = await saidBy(['unshare', '--user', '--map-root-user']);
    assert.equal(user, "the kernel tells of processes in the host's first user namespace only");
  });

  it('are of the numbers of /proc, or not taken', async () => {
    await assert.rejects(
      openProcessEvents('/proc', () => undefined, { ownPid: process.pid + 1, waitMs: 200 }),
      { message: 'the kernel tells of processes by other numbers than those of /proc' },
    );
    await assert.rejects(
      openProcessEvents('/nowhere', () => undefined),
      { message: '/nowhere does not say which process this is' },
    );
  });

  it('are everybody’s since Linux 6.6, and before whose CAP_NET_ADMIN is', async () => {
    const said = await saidBy(['setpriv', '--reuid=65534', '--clear-groups', '--bounding-set=-all']);
    if (kernelAtLeast(release(), 6, 6)) assert.equal(said, 'open');
    else assert.match(said, /only who has CAP_NET_ADMIN: bind: EPERM/);
  });

  it('end with the thread or the process that has not closed them', async () => {
    const inWorker = `
      events.close();
      const { Worker } = await import('node:worker_threads');
      const addon = ${JSON.stringify(join(packageRoot(), 'build', 'otelcol_profiles.node'))};
      for (let i = 0; i < 5; i++) {
        const worker = new Worker(
          \`const { parentPort } = require('node:worker_threads');
          require(\${JSON.stringify(addon)})
            .openProcessEvents({ ownPid: process.pid, settleMs: 0, forkSettleMs: 0 }, () => undefined)
            .then(() => parentPort.postMessage('open'));
          setInterval(() => undefined, 1000);\`,
          { eval: true, execArgv: [] },
        );
        await new Promise((resolve) => worker.once('message', resolve));
        await worker.terminate();
      }
      console.log('ended');`;
    assert.equal(await saidBy([], inWorker), 'open\nended');
    assert.equal(await saidBy([], 'process.exit();'), 'open');
    // They do not keep a process alive either.
    assert.equal(await saidBy([], "throw new Error('left open');"), 'open\nleft open');
  });
});
