// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { defaultFeatureGates } from '../../src/component/feature-gates.ts';
import { ConfigError } from '../../src/config/config-error.ts';
import { loadConfig } from '../../src/config/load.ts';
import { fakeFactories } from './fake-factories.ts';

const folder = new URL('./', import.meta.url);
const names = (await readdir(folder)).filter((name) => name.endsWith('.yaml'));
const seeds = await Promise.all(names.map((name) => readFile(new URL(name, folder), 'utf8')));
const PIECES = [
  ...['{', '}', '[', ']', ': ', '\n', '  ', '- ', ',', '|', '>', '#', '"', "'", '\t', '? '],
  ...['null', '~', '5', '.inf', '0x', '-', 'true', '5s', '/', '::', '__proto__', 'constructor'],
  ...['${A}', '${B:-x}', '$$', '${', '&a', '*a', '<<: ', '!!str ', 'otlp'],
];

/** Loads a text; resolves to what was thrown that is no ConfigError, or whose message has no single line. */
async function surprise(text: string): Promise<unknown> {
  try {
    const source = { location: `yaml:${text}`, label: 'fuzz' };
    await loadConfig([source], {
      distribution: fakeFactories,
      gates: defaultFeatureGates(),
      environment: { A: '${B}' },
    });
    return undefined;
  } catch (error) {
    if (!(error instanceof ConfigError)) return error;
    return error.issues.find((issue) => issue.message === '' || issue.message.includes('\n'));
  }
}

describe('any text', () => {
  it('loads or is refused with a ConfigError of one-line issues', async () => {
    const edit = fc.tuple(fc.nat(), fc.nat(6), fc.constantFrom(...PIECES));
    const edits = fc.array(edit, { minLength: 1, maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...seeds), edits, async (seed, changes) => {
        const text = changes.reduce((t, [at, cut, piece]) => {
          const start = at % (t.length + 1);
          return t.slice(0, start) + piece + t.slice(start + cut);
        }, seed);
        assert.equal(await surprise(text), undefined);
      }),
      { numRuns: 300, seed: 7 },
    );
  });

  it('that is made to exhaust the reader is refused', async () => {
    const laughs = Array.from(
      { length: 9 },
      (_, i) => `a${i}: &a${i} [${i === 0 ? 'x' : `*a${i - 1},`.repeat(10)}]`,
    );
    for (const text of [
      `a: ${'['.repeat(50_000)}`,
      '{a: '.repeat(5000),
      laughs.join('\n'),
      'a: &a [*a, *a]',
    ]) {
      assert.equal(await surprise(text), undefined, text.slice(0, 20));
    }
  });
});
