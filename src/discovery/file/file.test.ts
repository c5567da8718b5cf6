// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { type SourceUnderTest, runSource } from '../testing/run-source.ts';
import { fileSdSchema } from './config.ts';
import { fileSource } from './source.ts';

async function folder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'file-sd-'));
  t.after(() => rm(path, { recursive: true }));
  return path;
}

/** Nothing is read again because of the time that `until` lets pass. */
const NEVER = '1000000h';

async function discover(t: TestContext, ...files: string[]): Promise<SourceUnderTest> {
  const config = fileSdSchema.parse({ files, refresh_interval: NEVER });
  const run = runSource(t, (context) => fileSource(config, context));
  await run.next();
  return run;
}

/** Waits until the kernel has told of a change and the files were read again. */
async function until(run: SourceUnderTest, holds: () => boolean): Promise<void> {
  for (let turns = 0; !holds(); turns++) {
    assert.ok(turns < 50_000, `not seen; there is ${run.addresses().join()}`);
    await run.clock.advance(100);
  }
}

/** Two files with a target each. */
async function discoverTwo(t: TestContext) {
  const path = await folder(t);
  const [a, b] = [join(path, 'a.json'), join(path, 'b.json')];
  await writeFile(a, '[{"targets":["a:1"]}]');
  await writeFile(b, '[{"targets":["b:1"]}]');
  return { a, b, run: await discover(t, join(path, '*.json')) };
}

describe('file_sd_configs', () => {
  it('reads JSON and YAML of a glob, with the path as a label', async (t) => {
    const path = await folder(t);
    await writeFile(join(path, 'b.json'), '[{"targets":["b:1"],"labels":{"x":"y"}}]');
    await writeFile(join(path, 'a.yml'), '- targets: ["a:1", "a:2"]\n- targets: [a:3]\n  labels: {n: 1}\n');
    await writeFile(join(path, 'empty.yml'), '');
    await writeFile(join(path, 'other.txt'), 'no');
    const run = await discover(t, join(path, '*.yml'), join(path, 'b.json'), join(path, 'none.json'));
    assert.deepEqual(run.targets(), [
      { __address__: 'a:1', __meta_filepath: join(path, 'a.yml') },
      { __address__: 'a:2', __meta_filepath: join(path, 'a.yml') },
      { __address__: 'a:3', __meta_filepath: join(path, 'a.yml'), n: '1' },
      { __address__: 'b:1', __meta_filepath: join(path, 'b.json'), x: 'y' },
    ]);
    assert.equal(run.running.status.health, 'up');
  });

  it('follows files that are written, replaced and removed, without waiting', async (t) => {
    const path = await folder(t);
    const file = join(path, 'a.json');
    const run = await discover(t, join(path, '*.json'));
    const replace = async (addresses: readonly string[]): Promise<void> => {
      await writeFile(`${file}.new`, JSON.stringify([{ targets: addresses }]));
      await rename(`${file}.new`, file);
    };
    await replace(['a:1']);
    await until(run, () => run.addresses().join() === 'a:1');
    await replace(['a:2', 'a:3']);
    await until(run, () => run.addresses().join() === 'a:2,a:3');
    await rm(file);
    await until(run, () => run.addresses().length === 0);
  });

  it('reads nothing again because of what is written beside its files', async (t) => {
    const path = await folder(t);
    const elsewhere = await folder(t);
    await writeFile(join(path, 'a.json'), '[{"targets":["a:1", 7]}]');
    await writeFile(join(elsewhere, 'a.json'), '[{"targets":["a:2", 7]}]');
    await writeFile(join(path, 'app.log'), '');
    const run = await discover(t, join(path, '*.json'));
    await writeFile(join(path, 'app.log'), 'line\n', { flag: 'a' });
    for (let turns = 0; turns < 20; turns++) await run.clock.advance(100);
    await rename(join(elsewhere, 'a.json'), join(path, 'a.json'));
    await until(run, () => run.addresses().join() === 'a:2');
    assert.equal(run.running.status.leftOut, 2);
  });

  it('follows the swapped links of a ConfigMap', async (t) => {
    const path = await folder(t);
    for (const version of ['v1', 'v2']) {
      await mkdir(join(path, version));
      await writeFile(join(path, version, 't.yaml'), `- targets: [${version}:1]`);
    }
    await symlink('v1', join(path, '..data'));
    await symlink('..data/t.yaml', join(path, 't.yaml'));
    const run = await discover(t, join(path, 't.yaml'));
    assert.deepEqual(run.addresses(), ['v1:1']);
    await symlink('v2', join(path, '..next'));
    await rename(join(path, '..next'), join(path, '..data'));
    await until(run, () => run.addresses().join() === 'v2:1');
  });

  it('keeps what a file held that cannot be read any more, and what others hold', async (t) => {
    const { a, b, run } = await discoverTwo(t);
    await writeFile(a, '[{"targets":');
    await writeFile(b, '[{"targets":["b:2"]}]');
    await until(run, () => run.addresses().includes('b:2') && run.running.status.leftOut > 0);
    assert.deepEqual(run.addresses(), ['a:1', 'b:2']);
    assert.equal(run.running.status.health, 'up');
    assert.ok(run.settings.meter.value('prometheus_sd_file_read_errors_total') > 0);
    assert.match(run.running.status.lastError ?? '', /a\.json: .*JSON/);
    await writeFile(b, '{}');
    await until(run, () => run.running.status.health === 'down');
    assert.deepEqual(run.addresses(), ['a:1', 'b:2']);
  });

  it('forgets a file that is gone while no other can be read', async (t) => {
    const { a, b, run } = await discoverTwo(t);
    await writeFile(a, '[{"targets":');
    await rm(b);
    await until(run, () => run.addresses().join() === 'a:1');
    await writeFile(a, '[{"targets": 1');
    await until(run, () => run.running.status.health === 'down');
    assert.deepEqual(run.addresses(), ['a:1']);
  });

  it('finds a folder that is made later, at the next refresh', async (t) => {
    const path = join(await folder(t), 'later');
    const config = fileSdSchema.parse({ files: [join(path, '*.json')] });
    const run = runSource(t, (context) => fileSource(config, context));
    await run.next();
    await mkdir(path);
    await writeFile(join(path, 'a.json'), '[{"targets":["a:1"]}]');
    const next = run.next();
    await run.clock.advance(300_000);
    await next;
    assert.deepEqual(run.addresses(), ['a:1']);
  });

  it('refuses bombs of aliases and files that are too large', async (t) => {
    const path = join(await folder(t), 'a.yaml');
    const levels = Array.from(
      { length: 12 },
      (_, i) => `x${i + 1}: &x${i + 1} [${Array(9).fill(`*x${i}`).join()}]`,
    );
    await writeFile(path, ['x0: &x0 a', ...levels].join('\n'));
    const run = await discover(t, path);
    assert.match(run.running.status.lastError ?? '', /alias|list of target groups/i);
    assert.equal(run.running.status.health, 'down');
  });

  it('refuses paths that upstream refuses', () => {
    const messages = (files: readonly string[]): string[] =>
      fileSdSchema.safeParse({ files }).error?.issues.map(({ message }) => message) ?? [];
    assert.deepEqual(messages([]), ['file service discovery config must contain at least one path name']);
    assert.deepEqual(messages(['a.txt', 'b/*/c.json', 'a.JSON', 'x/*.yml', 'a*b.yaml', '**.json']), [
      'path name "a.txt" is not valid for file discovery',
      'path name "b/*/c.json" is not valid for file discovery',
    ]);
  });
});
