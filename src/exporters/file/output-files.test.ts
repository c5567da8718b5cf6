// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { systemClock } from '../../internal/clock.ts';
import { OutputFile } from './output-file.ts';
import { OutputFiles } from './output-files.ts';

it('no more files stay open than may be, however many are written at the same time', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'output-files-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const open = new Set<string>();
  class Watched extends OutputFile {
    readonly #path: string;

    constructor(path: string) {
      const rest = { truncate: false, rotation: undefined, directoryMode: undefined, clock: systemClock };
      super({ ...rest, path, lines: true, onNote: (message) => assert.fail(message) });
      this.#path = path;
    }

    override async append(message: readonly Uint8Array[]): Promise<void> {
      await super.append(message);
      open.add(this.#path);
    }

    override async close(): Promise<void> {
      await super.close();
      open.delete(this.#path);
    }
  }
  const files = new OutputFiles((path) => new Watched(path), 2);
  const paths = Array.from({ length: 20 }, (_, i) => join(folder, `${i}`));
  for (let round = 0; round < 3; round++)
    await Promise.all(paths.map((path) => files.append(path, [Buffer.from('line\n')])));
  assert.ok(open.size <= 2, `${open.size} are open`);
  await files.close();
  for (const path of paths) assert.equal(readFileSync(path, 'utf8'), 'line\n'.repeat(3));
});
