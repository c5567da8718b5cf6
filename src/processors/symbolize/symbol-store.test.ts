// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { FakeClock } from '../../internal/testing/fake-clock.ts';
import { deferred } from '../../internal/deferred.ts';
import type { SymbolFile } from '../../native/addon.ts';
import { type FileIdentity, identityOf, pathsBelow } from './build-id.ts';
import { SymbolStore, type SymbolStoreOptions } from './symbol-store.ts';

const lookup: SymbolFile['lookup'] = () => ({
  counts: new Uint32Array(),
  numbers: new Uint32Array(),
  texts: '',
});
const identity = (buildId: string, filename = ''): FileIdentity => ({ buildId, isGnu: true, filename });

function folder(t: TestContext, ...names: readonly string[]): string {
  const directory = mkdtempSync(join(tmpdir(), 'symbols-'));
  t.after(() => rmSync(directory, { recursive: true }));
  for (const name of names) {
    mkdirSync(join(directory, name, '..'), { recursive: true });
    writeFileSync(join(directory, name), name);
  }
  return directory;
}

/** A store whose files are 10 bytes of symbols each; `opened` are the paths that were tried. */
function storeOf(options: Partial<SymbolStoreOptions>): {
  store: SymbolStore;
  opened: string[];
  errors: unknown[];
} {
  const [opened, errors]: [string[], unknown[]] = [[], []];
  const store = new SymbolStore({
    directories: [],
    useLocalFiles: true,
    demangle: 'simplified',
    maxBytes: 25,
    retryMs: 1_000,
    clock: new FakeClock(),
    open: (path) => {
      opened.push(path);
      return Promise.resolve<SymbolFile>({ sizeBytes: 10, lookup });
    },
    onError: (error) => errors.push(error),
    ...options,
  });
  return { store, opened, errors };
}

describe('the identity of a mapping', () => {
  const of = (entries: Record<string, string>) => identityOf(new Map(Object.entries(entries)), '/bin/a');
  it('is its GNU build id, else its hash, else that of Go', () => {
    const [gnu, hash, go] = ['gnu', 'htlhash', 'go'].map((name) => `process.executable.build_id.${name}`) as [
      string,
      string,
      string,
    ];
    assert.deepEqual(of({ [gnu]: 'ABCDEF0123', [go]: 'x' }), identity('abcdef0123', '/bin/a'));
    assert.deepEqual(of({ [hash]: 'h', [go]: 'x' })?.buildId, 'h');
    assert.deepEqual(of({ [go]: 'a/b' }), { buildId: 'a/b', isGnu: false, filename: '/bin/a' });
    assert.equal(of({}), undefined);
  });

  it('never becomes a path that leads elsewhere', () => {
    const gnu = of({
      'process.executable.build_id.gnu': '../../etc/passwd',
      'process.executable.build_id.go': '../x',
    });
    assert.equal(gnu?.isGnu, false);
    assert.deepEqual(pathsBelow('/d', gnu ?? identity('')), []);
  });
});

describe('a store of symbol files', () => {
  it('finds files in the layouts of debug packages, debuginfod, and where mappings say', async (t) => {
    const id = 'abcdef0123456789';
    for (const name of [
      `ab/${id.slice(2)}.debug`,
      `.build-id/ab/${id.slice(2)}.debug`,
      `${id}/debuginfo`,
      id,
    ]) {
      const directory = folder(t, name);
      const { store, opened } = storeOf({ directories: [directory] });
      assert.equal(typeof (await store.find(identity(id))), 'object', name);
      assert.deepEqual(opened, [join(directory, name)]);
    }
    const directory = folder(t, 'program');
    const { store, opened } = storeOf({});
    assert.equal(typeof (await store.find(identity(id, join(directory, 'program')))), 'object');
    assert.deepEqual(opened, [join(directory, 'program')]);
    const strict = storeOf({ useLocalFiles: false });
    assert.equal(await strict.store.find(identity(id, join(directory, 'program'))), 'none');
  });

  it('opens a file once for all who ask at the same time, and keeps it', async (t) => {
    const directory = folder(t, 'aaaaaaaa');
    const { store, opened } = storeOf({ directories: [directory] });
    const all = await Promise.all([1, 2, 3].map(() => store.find(identity('aaaaaaaa'))));
    assert.equal(new Set(all).size, 1);
    assert.equal(await store.find(identity('aaaaaaaa')), all[0]);
    assert.equal(opened.length, 1);
  });

  it('looks again for what was missing after a while only', async (t) => {
    const clock = new FakeClock();
    const directory = folder(t);
    const { store, opened } = storeOf({ directories: [directory], clock });
    assert.equal(await store.find(identity('aaaaaaaa')), 'none');
    writeFileSync(join(directory, 'aaaaaaaa'), '');
    assert.equal(await store.find(identity('aaaaaaaa')), 'none');
    await clock.advance(1_000);
    assert.equal(typeof (await store.find(identity('aaaaaaaa'))), 'object');
    assert.equal(opened.length, 1);
  });

  it('holds as many bytes as it may; what was not used for longest makes room', async (t) => {
    const directory = folder(t, 'aaaaaaaa', 'bbbbbbbb', 'cccccccc');
    const { store, opened } = storeOf({ directories: [directory] });
    for (const id of ['aaaaaaaa', 'bbbbbbbb', 'aaaaaaaa', 'cccccccc', 'aaaaaaaa', 'bbbbbbbb']) {
      await store.find(identity(id));
    }
    assert.deepEqual(opened.map((path) => path.slice(-1)).join(''), 'abcb');
    assert.deepEqual([store.bytes, store.size, store.evicted], [20, 2, 2]);
  });

  it('counts what cannot be read and goes on to the next place', async (t) => {
    const [bad, good] = [folder(t, 'aaaaaaaa'), folder(t, 'aaaaaaaa')];
    const { store, errors } = storeOf({
      directories: [bad, good],
      open: (path) =>
        path.startsWith(bad)
          ? Promise.reject(new Error('no ELF'))
          : Promise.resolve<SymbolFile>({ sizeBytes: 1, lookup }),
    });
    assert.equal(typeof (await store.find(identity('aaaaaaaa'))), 'object');
    assert.equal(errors.length, 1);
  });

  it('does not wait for a download', async (t) => {
    const directory = folder(t, 'got');
    const gate = deferred();
    const { store } = storeOf({
      download: async () => {
        await gate.promise;
        return join(directory, 'got');
      },
    });
    assert.equal(await store.find(identity('aaaaaaaa')), 'pending');
    assert.equal(await store.find(identity('aaaaaaaa')), 'pending');
    gate.resolve();
    while ((await store.find(identity('aaaaaaaa'))) === 'pending') await turn();
    assert.equal(typeof (await store.find(identity('aaaaaaaa'))), 'object');
  });
});
