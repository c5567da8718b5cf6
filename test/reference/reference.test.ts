// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { loadAllFactories } from '../../src/component/factory.ts';
import { distribution } from '../../src/distribution.ts';
import { packageRoot } from '../../src/internal/package-root.ts';
import { referencePages } from './pages.ts';

const factories = await loadAllFactories(distribution);

const docs = join(packageRoot(), 'docs');
const pages = referencePages(factories);

describe('the reference', () => {
  it('is what the schemas say (else run "npm run docs")', () => {
    const written = readdirSync(join(docs, 'reference')).map((name) => `reference/${name}`);
    assert.deepEqual([...written, 'config.schema.json'].sort(), [...pages.keys()].sort());
    for (const [name, text] of pages)
      assert.ok(
        readFileSync(join(docs, name), 'utf8') === text,
        `docs/${name} is not up to date: npm run docs`,
      );
  });

  it('links to what is there', () => {
    for (const [name, text] of pages) {
      for (const [, target = ''] of text.matchAll(/\]\(([^)]+)\)/g))
        assert.ok(existsSync(join(docs, 'reference', target)), `${name} links to ${target}`);
    }
  });

  it('says of every key what it means (in its schema, or in src/config/key-descriptions.ts)', () => {
    const silent = [...pages].flatMap(([name, text]) =>
      [...text.matchAll(/^\| (`[^`]+`) \| (?!mapping \|).*\|  \|$/gm)].map(([, key]) => `${name} ${key}`),
    );
    assert.deepEqual(silent, []);
  });
});
