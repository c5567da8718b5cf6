// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { parse } from 'yaml';
import { defaultFeatureGates } from '../../src/component/feature-gates.ts';
import { loadConfig } from '../../src/config/load.ts';
import { distribution } from '../../src/distribution.ts';
import { BROUGHT, type Brought, broughtEnvironment, everyBrought } from '../config/brought.ts';
import { differingValues } from './plain-values.ts';
import { askGo } from './go-collector.ts';

/**
 * Values that ours prints otherwise, by path with `*` for an id, and why. What only one of the two has is not compared.
 */
const OTHERWISE: Readonly<Record<string, string>> = {
  'exporters::*::sending_queue::sizer': 'the Go Collector prints no sizer: {}',
  'exporters::*::sending_queue::batch::sizer': 'the Go Collector prints no sizer: {}',
  'exporters::*::headers': 'a list of names and values there, a mapping here as in the configuration',
  'receivers::*::protocols::*::response_headers': 'a list of names and values there, a mapping here',
  'receivers::*::protocols::*::idle_timeout': 'an OTLP client may be idle without end there, a minute here',
  'receivers::*::protocols::*::read_header_timeout': 'headers may take without end there, a minute here',
  'processors::*::attributes': 'a list whose entries have all their keys there, those that are written here',
};

/** Asks the Go Collector what it says to every configuration that people bring. */
export function testVerdicts(binary: string, record: boolean): void {
  const env = broughtEnvironment();
  const storage = env['STORAGE'] ?? '';
  after(() => rmSync(storage, { recursive: true }));

  const verdict = async ({ name }: Brought): Promise<Brought['go']> => {
    const answer = await askGo(binary, ['validate'], join(BROUGHT, name), env);
    if (answer.ok) return 'accepted';
    return answer.stderr.includes('unknown type: ') ? 'not built' : 'refused';
  };

  describe('the Go Collector says to a configuration what is noted beside it', () => {
    for (const one of everyBrought()) {
      it(one.name, async () => {
        const found = await verdict(one);
        if (record) writeVerdict(one.name, found);
        else assert.equal(found, one.go);
      });
    }
  });

  describe('print-config shows the values that the Go Collector shows', () => {
    for (const one of everyBrought().filter(({ go, ours }) => go === 'accepted' && ours === 'accepted')) {
      it(one.name, async () => {
        const theirs = await askGo(binary, ['print-config'], join(BROUGHT, one.name), env);
        assert.ok(theirs.ok, theirs.stderr);
        const gates = defaultFeatureGates();
        const source = { location: `yaml:${one.text}`, label: one.name };
        const config = await loadConfig([source], { distribution, gates, environment: env });
        const found = differingValues(config.effective({ redact: true }), parse(theirs.stdout));
        const unexplained = found.filter(({ path }) => !(path in OTHERWISE));
        assert.deepEqual(unexplained, []);
      });
    }
  });
}

function writeVerdict(name: string, found: Brought['go']): void {
  const path = join(BROUGHT, name);
  writeFileSync(path, readFileSync(path, 'utf8').replace(/^# go: .*$/m, `# go: ${found}`));
}
