// SPDX-License-Identifier: Apache-2.0
// The shells themselves say what they offer behind a text.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { runCli } from '../../src/cli/cli.ts';
import { packageRoot } from '../../src/internal/package-root.ts';

const run = promisify(execFile);
const folder = mkdtempSync(join(tmpdir(), 'completion-'));
after(() => rmSync(folder, { recursive: true }));

const scriptOf = (shell: string): string => join(folder, `script.${shell}`);

before(async () => {
  for (const shell of ['zsh', 'fish']) {
    let script = '';
    const code = await runCli(['completion', shell], {
      stdout: (text) => {
        script += text;
      },
      stderr: (text) => assert.fail(text),
      loadDistribution: () => Promise.reject(new Error('completion needs no components')),
    });
    assert.equal(code, 0);
    writeFileSync(scriptOf(shell), script);
  }
});

const lines = (text: string): string[] => text.split('\n').filter((line) => line !== '');
const AT = { cwd: packageRoot(), timeout: 30_000 };

const SHELLS = {
  zsh: async (text: string): Promise<string[]> => {
    const own = mkdtempSync(join(folder, 'zsh-'));
    const program = join(import.meta.dirname, 'zsh-offers.zsh');
    const { stdout } = await run('zsh', ['-f', program, scriptOf('zsh'), own, text], AT);
    return lines(stdout);
  },
  fish: async (text: string): Promise<string[]> => {
    const ask = `source ${scriptOf('fish')}; complete -C "${text}"`;
    const { stdout } = await run('fish', ['--no-config', '-c', ask], AT);
    // Behind a tab stands what it is; a flag with "=" is offered with its value here and without it in zsh.
    return lines(stdout).map((line) => (line.split('\t')[0] ?? '').replace(/^--[a-z-]+=/, ''));
  },
};

for (const [shell, offers] of Object.entries(SHELLS)) {
  describe(`completion in ${shell}`, () => {
    for (const [text, expected] of [
      ['val', ['validate']],
      ['--fea', ['--feature-gates']],
      ['--config package.j', ['package.json']],
      ['--config=package.j', ['package.json']],
      ['print-config --m', ['--mode']],
      ['print-initial-config --fo', ['--format']],
      ['print-config --mode ', ['redacted', 'unredacted']],
      ['print-config --mode=', ['redacted', 'unredacted']],
      ['validate --config=package.j', ['package.json']],
      ['completion f', ['fish']],
      ['featuregate service.p', ['service.profilesSupport']],
      ['components --con', []],
    ] as const) {
      it(`offers ${expected.join(' and ') || 'nothing'} behind "${text}"`, async () => {
        assert.deepEqual(await offers(`otelcol-profiles ${text}`), expected);
      });
    }
  });
}
