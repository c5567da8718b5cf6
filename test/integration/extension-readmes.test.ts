// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { it } from 'node:test';
import { defaultFeatureGates } from '../../src/component/feature-gates.ts';
import { loadConfig } from '../../src/config/load.ts';
import { distribution } from '../../src/distribution.ts';

for (const folder of ['basicauth', 'bearertokenauth', 'headers-setter', 'oauth2client']) {
  it(`the example in the README of ${folder} is a whole configuration without warnings`, async () => {
    const path = new URL(`../../src/extensions/${folder}/README.md`, import.meta.url);
    const [, yaml = ''] = /```yaml\n([\s\S]*?)```/.exec(readFileSync(path, 'utf8')) ?? [];
    const source = { location: `yaml:${yaml}`, label: folder };
    const { warnings } = await loadConfig([source], { distribution, gates: defaultFeatureGates() });
    assert.deepEqual(warnings, []);
  });
}
