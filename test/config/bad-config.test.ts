// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { defaultFeatureGates } from '../../src/component/feature-gates.ts';
import { ConfigError } from '../../src/config/config-error.ts';
import { loadConfig } from '../../src/config/load.ts';
import { distribution } from '../../src/distribution.ts';
import { fakeFactories } from './fake-factories.ts';

const folder = new URL('./', import.meta.url);
const names = (await readdir(folder)).filter((name) => name.endsWith('.bad.yaml'));
const environment = { LOOP: '${env:LOOP}', BOMB: 'b${env:BOMB}${env:BOMB}', WORD: 'fast' };

/** The values of `# key: value` comments, in order. */
function comments(text: string, key: string): readonly string[] {
  return [...text.matchAll(new RegExp(`^# ${key}: (.*)$`, 'gm'))].map(([, value]) => value ?? '');
}

describe('a bad configuration', () => {
  it('has files that show what is refused', () => assert.ok(names.length > 150, `${names.length} files`));

  for (const name of names) {
    it(`is refused with all its messages: ${name}`, async () => {
      const text = await readFile(new URL(name, folder), 'utf8');
      const gates = defaultFeatureGates();
      for (const list of comments(text, 'gates')) gates.apply(list);
      const source = { location: `yaml:${text}`, label: name };
      await assert.rejects(
        loadConfig([source], {
          // Those that say so show the components of this distribution, the others the shared sections.
          distribution: text.includes('# components: all') ? distribution : fakeFactories,
          gates,
          environment,
        }),
        (error) => {
          assert.ok(error instanceof ConfigError, String(error));
          assert.deepEqual(error.message.split('\n'), comments(text, 'want'));
          return true;
        },
      );
    });
  }
});
