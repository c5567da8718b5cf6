// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import * as z from 'zod';
import { deferred } from '../../internal/deferred.ts';
import { FakeClock } from '../../internal/testing/fake-clock.ts';
import { never } from '../../internal/testing/settings.ts';
import type { TargetGroup } from '../target.ts';
import { CommandLines } from './command-lines.ts';
import { processSdSchema } from './config.ts';
import { ProcessTable } from './process-table.ts';
import { FakeProc } from './testing/fake-proc.ts';

const ID = '7edda1de1e0d1d366351e478359cf5fa16bb8ab53063a99bb119e56971bfb7e2';
const EVERYTHING = { cgroup_path: true, uid: true, username: true };

async function fakeProc(t: TestContext, discover: object = {}) {
  const root = await mkdtemp(join(tmpdir(), 'proc-'));
  t.after(() => rm(root, { recursive: true }));
  await mkdir(join(root, 'proc', 'sys'), { recursive: true });
  await writeFile(join(root, 'passwd'), 'root:x:0:0::/root:/bin/sh\nweb:x:1000:1000::/:/bin/false\n');
  const clock = new FakeClock();
  const { discover_config: what } = processSdSchema(z.never()).parse({ discover_config: discover });
  const folders = { proc: join(root, 'proc'), passwd: join(root, 'passwd') };
  const table = new ProcessTable(what, clock, folders, () => undefined);
  const look = async (everything = false) => shown(await table.look(everything, never()));
  return { fake: new FakeProc(root), clock, look };
}

function shown(groups: readonly TargetGroup[]): object {
  return Object.fromEntries(
    groups.map(({ name, targets }) => [name, targets.map((labels) => Object.fromEntries(labels))]),
  );
}

const WEB = {
  exe: '/usr/bin/web',
  cwd: '/srv',
  cmdline: ['web', '--port', '8080', '', ''].join('\0'),
  cgroup: `1:cpu:/docker/${ID}\n0::/\n`,
  uid: 1000,
};

test('a process has the labels that can be read, and those that are wanted', async (t) => {
  const all = await fakeProc(t, EVERYTHING);
  await all.fake.add(7, WEB);
  await all.fake.add(8, { uid: 4711 });
  await all.fake.add(9, { flags: 0x200000, exe: '/never' });
  await all.fake.add(10, { ...WEB, state: 'Z' });
  assert.deepEqual(await all.look(), {
    'process/7': [
      {
        __process_pid__: '7',
        __meta_process_exe: '/usr/bin/web',
        __meta_process_cwd: '/srv',
        __meta_process_commandline: 'web --port 8080',
        __meta_process_uid: '1000',
        __meta_process_username: 'web',
        __container_id__: ID,
        __meta_process_cgroup_path: `1:cpu:/docker/${ID}|0::/`,
      },
    ],
    // Nothing else of it can be read, and it is there all the same.
    'process/8': [{ __process_pid__: '8', __meta_process_uid: '4711' }],
  });
  const off = {
    exe: false,
    cwd: false,
    commandline: false,
    container_id: false,
    uid: false,
    username: false,
  };
  const none = await fakeProc(t, off);
  await none.fake.add(7, WEB);
  assert.deepEqual(await none.look(), { 'process/7': [{ __process_pid__: '7' }] });
});

test('of what is known nothing is said again, and of what is new only that', async (t) => {
  const { fake, look, clock } = await fakeProc(t);
  await fake.add(7, { exe: '/bin/sh' });
  assert.deepEqual(Object.keys(await look()), ['process/7']);
  assert.deepEqual(await look(), {});
  await fake.add(8, { exe: '/bin/b' });
  assert.deepEqual(Object.keys(await look()), ['process/8']);

  // A young process is looked at again: it may have become its program only now.
  await fake.add(7, { exe: '/usr/bin/java' });
  assert.deepEqual(await look(), {
    'process/7': [{ __process_pid__: '7', __meta_process_exe: '/usr/bin/java' }],
  });
  await clock.advance(11_000);
  await fake.add(7, { exe: '/usr/bin/late' });
  assert.deepEqual(await look(), {});
  assert.deepEqual(Object.keys(await look(true)), ['process/7']);

  await fake.remove(7);
  assert.deepEqual(await look(), { 'process/7': [] });
  assert.deepEqual(await look(true), {});
});

test('a number that is used again is another process', async (t) => {
  const { fake, look, clock } = await fakeProc(t);
  await fake.add(7, { started: 1, exe: '/bin/a' });
  await look();
  await clock.advance(11_000);
  await fake.add(7, { started: 2, exe: '/bin/b' });
  assert.deepEqual(await look(true), {
    'process/7': [{ __process_pid__: '7', __meta_process_exe: '/bin/b' }],
  });
  // And young, so it is looked at again.
  await fake.add(7, { started: 2, exe: '/bin/c' });
  assert.deepEqual(await look(), { 'process/7': [{ __process_pid__: '7', __meta_process_exe: '/bin/c' }] });
});

test('the processes of this host are found, come and go', async () => {
  const { discover_config: what } = processSdSchema(z.never()).parse({ discover_config: { uid: true } });
  const folders = { proc: '/proc', passwd: '/etc/passwd' };
  const table = new ProcessTable(what, new FakeClock(), folders, () => undefined);
  const own = (await table.look(false, never())).find(({ name }) => name === `process/${process.pid}`);
  const [labels] = own?.targets ?? [];
  assert.equal(labels?.get('__meta_process_cwd'), process.cwd());
  assert.equal(labels?.get('__meta_process_uid'), String(process.getuid?.()));
  assert.match(labels?.get('__meta_process_commandline') ?? '', /node/);

  const child = spawn('sleep', ['1000']);
  await once(child, 'spawn');
  const name = `process/${child.pid}`;
  const ofChild = async () => (await table.look(false, never())).filter((group) => group.name === name);
  assert.equal((await ofChild())[0]?.targets[0]?.get('__meta_process_commandline'), 'sleep 1000');
  child.kill('SIGKILL');
  await once(child, 'exit');
  assert.deepEqual((await ofChild())[0]?.targets, []);
});

test('a process whose arguments cannot be read for long is left alone, and too many of them all', async () => {
  const clock = new FakeClock();
  const locked = deferred();
  const lines = new CommandLines(clock, (path) =>
    path.includes('/1/') ? Promise.resolve('a\0b\0') : locked.promise.then(() => 'late\0'),
  );
  assert.equal(await lines.of('/proc', 1), 'a b');
  for (let i = 0; i < 2; i++) {
    const hanging = lines.of('/proc', 2);
    const refused = assert.rejects(hanging, {
      message: 'it does not let its arguments be read within 1000 ms',
    });
    await clock.advance(1_000);
    await refused;
  }
  await assert.rejects(lines.of('/proc', 1), { message: 'others hang' });
  locked.resolve();
  await clock.advance(0);
  assert.equal(await lines.of('/proc', 1), 'a b');
  assert.deepEqual(clock.pending, []);
});
