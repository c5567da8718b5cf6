// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { expandTree } from '../../src/config/expand.ts';
import { createProviders } from '../../src/config/providers.ts';
import { nodeAt, toPlain, type Tree } from '../../src/config/tree.ts';
import { parseYamlTree } from '../../src/config/yaml-tree.ts';

const environment: Record<string, string> = {
  HOST: 'example.com',
  PORT: '4317',
  OCTAL: '0123',
  EMPTY: '',
  LIST: '[a, b]',
  MAP: '{x: 1, y: "${env:PORT}"}',
  NAME: 'HOST',
  QUOTED: '"4317"',
  NOT_YAML: '[unclosed',
  DOLLARS: 'a$$b$c',
  INDIRECT: '${env:PORT}',
  TRUE: 'true',
};

async function expand(text: string, warnings: string[] = []): Promise<Tree> {
  return expandTree(parseYamlTree(text, 'test.yaml'), createProviders(environment), warnings);
}

/** The value of `v: <text>` after expansion. */
async function valueOf(text: string): Promise<unknown> {
  return (toPlain(await expand(`v: ${text}`)) as { v: unknown }).v;
}

describe('expansion', () => {
  for (const [name, text, want] of [
    ['takes the type of what one reference gives', '${env:PORT}', 4317],
    ['reads a bare name as an environment variable', '${HOST}', 'example.com'],
    ['gives a boolean where the variable holds one', '${TRUE}', true],
    ['joins references and text to a text', '${env:HOST}:${env:PORT}', 'example.com:4317'],
    ['repeats a reference that stands twice', '${HOST}-${HOST}', 'example.com-example.com'],
    ['types an octal as Go does', '${env:OCTAL}', 83],
    ['keeps an octal as written inside a text', 'x${env:OCTAL}', 'x0123'],
    ['takes a list', '${env:LIST}', ['a', 'b']],
    ['takes a mapping and expands what is in it', '${env:MAP}', { x: 1, y: 4317 }],
    ['keeps the quotes of a quoted variable, as upstream', '${env:QUOTED}', '"4317"'],
    ['takes what is no YAML as text', '${env:NOT_YAML}', '[unclosed'],
    ['expands the innermost reference first', '${env:${env:NAME}}', 'example.com'],
    ['expands what a reference gives', '${env:INDIRECT}', 4317],
    ['uses the default of an unset variable', '${env:UNSET:-5s}', '5s'],
    ['uses the default of a bare name', '${UNSET:-7}', 7],
    ['expands inside a default', '${env:UNSET:-${env:PORT}}', 4317],
    ['has no use for the default of an empty variable', '${env:EMPTY:-x}', null],
    ['gives null for an empty default', '${env:UNSET:-}', null],
    ['gives null for an unset variable', '${env:UNSET}', null],
    ['gives nothing for an unset variable in a text', 'a${env:UNSET}b', 'ab'],
    ['writes $$ as $', '$$HOST', '$HOST'],
    ['leaves an escaped reference alone', '$${HOST}', '${HOST}'],
    ['expands behind an escaped dollar', '$$${HOST}', '$example.com'],
    ['expands before an escaped reference', '${HOST} $${HOST}', 'example.com ${HOST}'],
    ['expands behind an escaped reference', '$${HOST} ${HOST}', '${HOST} example.com'],
    ['unescapes what a variable gives', '${env:DOLLARS}', 'a$b$c'],
    ['never expands $NAME', '$HOST', '$HOST'],
    ['leaves an open reference alone', 'a${HOST', 'a${HOST'],
    ['reads inline YAML', '"${yaml:[1, a]}"', [1, 'a']],
  ] as const) {
    it(name, async () => assert.deepEqual(await valueOf(text), want));
  }

  it('never touches keys', async () => {
    assert.deepEqual(toPlain(await expand('${HOST}: 1')), { '${HOST}': 1 });
  });

  it('keeps the text that a typed value came from', async () => {
    const tree = await expand('v: ${env:OCTAL}\nw: ${env:MAP}');
    assert.equal(nodeAt(tree, ['v'])?.original, '0123');
    assert.equal(nodeAt(tree, ['w'])?.original, '{x: 1, y: "4317"}');
  });

  it('shows an expanded value where its reference stands', async () => {
    const tree = await expand('a: 1\nv: [x, "${env:MAP}"]');
    assert.deepEqual(nodeAt(tree, ['v', 1, 'x'])?.place, { file: 'test.yaml', line: 2, column: 8 });
  });

  it('says which variable is unset, and nothing of one that has a default', async () => {
    const warnings: string[] = [];
    await expand('v: ${env:UNSET}\nw: ${env:OTHER:-1}', warnings);
    assert.deepEqual(warnings, [
      'test.yaml:1:4: environment variable "UNSET" is not set and has no default (write ${env:UNSET:-default})',
    ]);
  });

  it('takes a file whole, with its own places', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'expand-'));
    try {
      const file = join(folder, 'part.yaml');
      await writeFile(file, 'a: 1\nb:\n  port: ${env:PORT}\n');
      const tree = await expand(`v: \${file:${file}}`);
      assert.deepEqual(toPlain(tree), { v: { a: 1, b: { port: 4317 } } });
      assert.deepEqual(nodeAt(tree, ['v', 'b', 'port'])?.place, { file, line: 3, column: 9 });
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('reports every reference that fails', async () => {
    await assert.rejects(expand('a: ${env:1}\nb: ${nope:x}'), {
      message: [
        'test.yaml:1:4: environment variable "1" has invalid name: must match regex ^[a-zA-Z_][a-zA-Z0-9_]*$',
        'test.yaml:2:4: scheme "nope" is not supported for uri "nope:x" (valid values: [file env yaml http https])',
      ].join('\n'),
    });
  });
});
