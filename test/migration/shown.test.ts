// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { packageRoot } from '../../src/internal/package-root.ts';
import { migrationPage } from '../reference/migration-page.ts';
import { SHOWN } from './shown.ts';

const root = packageRoot();
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

/** Options by chapter of docs/migration.md; without those that are lost or left out, which reports tell. */
const chapters = new Map(
  migrationPage()
    .split(/^## /m)
    .slice(1)
    .map((chapter): [string, string[]] => {
      const [title = ''] = chapter.split('\n');
      const rows = [...chapter.matchAll(/^\| `([^`]+)` \| .* \| ([^|]*) \|$/gm)];
      const acting = rows.filter(
        ([, name = '', here = '']) => !name.endsWith('{ }') && !/^(\*\*lost\*\*|left out)/.test(here),
      );
      return [title, acting.map(([, name = '']) => name)];
    }),
);

/** Chapters whose options the documentation that this collector follows names, all of them. */
const HELD = new Set(SHOWN.flatMap(({ options = {} }) => Object.keys(options)));

const lastOf = (path: string): string => path.slice(path.lastIndexOf(' ') + 1).replace(/^profile\./, '');

describe('every option that the documentation names', () => {
  for (const chapter of HELD) {
    it(`has a test that shows its effect: ${chapter}`, () => {
      const all = chapters.get(chapter);
      assert.ok(all !== undefined && all.length > 0, 'is a chapter of docs/migration.md');
      const shown = new Set(SHOWN.flatMap(({ options = {} }) => options[chapter] ?? []));
      const isShown = (path: string): boolean => shown.has(path) || shown.has(path.replace(/ > \w+$/, ''));
      assert.deepEqual(
        all.filter((path) => !isShown(path)),
        [],
      );
      const isKnown = (path: string): boolean =>
        all.some((one) => one === path || one.startsWith(`${path} > `));
      assert.deepEqual(
        [...shown].filter((path) => !isKnown(path)),
        [],
        'are no options',
      );
    });
  }

  for (const { file, title, options = {}, names = [] } of SHOWN) {
    it(`is what the test is about: ${title} (${file})`, () => {
      const text = read(file);
      const at = ["it('", 'it(`', "test('", 'test(`', "test(\n  '", "it(\n    '"].map((call) =>
        text.indexOf(call + title),
      );
      assert.ok(Math.max(...at) >= 0, 'there is such a test');
      const words = [...Object.values(options).flat().map(lastOf), ...names];
      const source = `${text}\n${helpers(file, text)}`;
      assert.deepEqual(
        words.filter((word) => !source.includes(word)),
        [],
        'are not in its file',
      );
    });
  }

  it('is in a configuration that is converted, checked and built', () => {
    const folders = ['test/migration/seeds', 'test/migration/cases'];
    const rivers = folders.flatMap((folder) =>
      readdirSync(join(root, folder))
        .filter((name) => name.endsWith('.river'))
        .map((name) => read(join(folder, name))),
    );
    const written = new Set(
      rivers.flatMap((text) =>
        [...text.matchAll(/^\s*([\w.]+)\s*=|[{;]\s*([\w.]+)\s*=/gm)].map(([, a, b]) => a ?? b),
      ),
    );
    const missing = [...HELD].flatMap((chapter) =>
      (chapters.get(chapter) ?? [])
        .filter((path) => !written.has(lastOf(path)))
        .map((path) => `${chapter}: ${path}`),
    );
    assert.deepEqual(missing, []);
  });
});

/** Configurations and helpers that a test reads, from beside it. */
function helpers(file: string, text: string): string {
  const folder = file.slice(0, file.lastIndexOf('/'));
  const beside = [
    ...[...text.matchAll(/from '\.\/([\w-]+\.ts)'/g)].map(([, name]) => name),
    ...[...text.matchAll(/'([\w-]+\.good\.yaml)'/g)].map(([, name]) => name),
    ...[...text.matchAll(/printed\('([\w.-]+)'/g)].map(([, name]) => `seeds/${name}.river`),
  ];
  const there = beside.filter((name) => name !== undefined && existsSync(join(root, folder, name)));
  return [...new Set(there)].map((name) => read(`${folder}/${name}`)).join('\n');
}
