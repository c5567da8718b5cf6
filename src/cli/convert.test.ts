// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { runCli } from './cli.ts';

const MAIN = fileURLToPath(new URL('../main.ts', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'convert-'));
after(() => rmSync(folder, { recursive: true }));

const WRITE = 'pyroscope.write "a" {\n  endpoint {\n    url = "http://pyroscope:4040"\n  }\n}\n';
const LOSSY = `${WRITE}\nprometheus.scrape "b" {\n}\n`;

let files = 0;
function fileOf(text: string): string {
  const file = join(folder, `${files++}.alloy`);
  writeFileSync(file, text);
  return file;
}

async function run(...argv: string[]): Promise<{ code: number; out: string; err: string }> {
  const texts = { out: '', err: '' };
  const code = await runCli(['convert', ...argv], {
    stdout: (text) => {
      texts.out += text;
    },
    stderr: (text) => {
      texts.err += text;
    },
    loadDistribution: async () => (await import('../distribution.ts')).distribution,
  });
  return { code, ...texts };
}

describe('convert', () => {
  it('writes what this program takes, and tells what was decided', async () => {
    const file = fileOf(WRITE);
    const { code, out, err } = await run('--from', 'alloy', file);
    assert.equal(code, 0);
    assert.match(out, /pyroscope\/a:\n {4}endpoint: http:\/\/pyroscope:4040/);
    assert.equal(
      err,
      `${file}:1:1: note: pyroscope.write.a: nothing sends to it: put a receiver in the place of nop\n`,
    );
    const config = fileOf(out);
    assert.equal(await runCli(['validate', '--config', config], silentIo()), 0);
  });

  it('reads the standard input', () => {
    const { status, stdout } = spawnSync(
      process.execPath,
      ['--import', 'tsx', MAIN, 'convert', '--from', 'alloy', '-'],
      { input: WRITE, encoding: 'utf8' },
    );
    assert.equal(status, 0);
    assert.match(stdout, /^# Converted from stdin/);
  });

  it('exits with 1 where something was lost, unless that is accepted', async () => {
    const file = fileOf(LOSSY);
    const strict = await run('--from', 'alloy', file);
    assert.equal(strict.code, 1);
    assert.match(strict.out, /pyroscope\/a/);
    assert.match(strict.err, /:7:1: lost: prometheus\.scrape\.b: is not about profiles/);
    assert.match(
      strict.err,
      /1 of .* could not be carried; to accept that, and to exit with 0: --bypass-errors\n$/,
    );
    assert.match(strict.out, /# Not carried:\n# {3}line 7: prometheus\.scrape\.b: /);
    const bypassed = await run('--from', 'alloy', '--bypass-errors', file);
    assert.deepEqual([bypassed.code, bypassed.out], [0, strict.out]);
  });

  it('writes into files', async () => {
    const [output, report] = [join(folder, 'out.yaml'), join(folder, 'report.txt')];
    const { code, out } = await run('--from', 'alloy', '-o', output, '--report', report, fileOf(LOSSY));
    assert.deepEqual([code, out], [1, '']);
    assert.match(readFileSync(output, 'utf8'), /pyroscope\/a/);
    assert.equal(statSync(output).mode & 0o777, 0o600);
    assert.match(
      readFileSync(report, 'utf8'),
      /^\S+:1:1: note: .*\n\S+:7:1: lost: prometheus\.scrape\.b: .*\n$/,
    );
  });

  it('writes no configuration that this program would refuse, unless that is accepted', async () => {
    const file = fileOf(WRITE.replace('http://pyroscope:4040', 'nonsense'));
    const { code, out, err } = await run('--from', 'alloy', file);
    assert.deepEqual([code, out], [1, '']);
    const refused =
      /Error: the result would be refused: (.*):(\d+):(\d+): exporters::pyroscope\/a::endpoint: /;
    const [, where, line = ''] = refused.exec(err) ?? [];
    assert.equal(where, file, err);
    assert.match(readFileSync(file, 'utf8').split('\n')[Number(line) - 1] ?? '', /url = "nonsense"/);
    assert.match((await run('--from', 'alloy', '--bypass-errors', file)).out, /endpoint: nonsense/);
  });

  it('checks a result whose variables are not set here', async () => {
    const { code, out } = await run(
      '--from',
      'agent',
      fileOf(WRITE.replace('"http://pyroscope:4040"', 'env("NO_SUCH_VARIABLE")')),
    );
    assert.equal(code, 0);
    assert.match(out, /endpoint: \$\{env:NO_SUCH_VARIABLE\}\n/);
    for (const url of ['env("NO_BASE") + "/path"', 'env("NO_SCHEME") + "://pyroscope:" + env("NO_PORT")']) {
      const joined = await run('--from', 'agent', fileOf(WRITE.replace('"http://pyroscope:4040"', url)));
      assert.equal(joined.code, 0, joined.err);
    }
  });

  it('writes texts that Go reads as numbers so that they stay texts', async () => {
    const labels = '  external_labels = { release = "2024_01", mask = "0b11" }\n}\n';
    const { code, err } = await run('--from', 'alloy', fileOf(WRITE.replace(/\}\n$/, labels)));
    assert.equal(code, 0, err);
  });

  it('names every fault of the syntax with its place', async () => {
    const file = fileOf('a "b" {\n  c = \n  d = [1\n}\n');
    const { code, out, err } = await run('--from', 'alloy', file);
    assert.deepEqual([code, out], [1, '']);
    const lines = err.trimEnd().split('\n');
    assert.deepEqual(
      lines.map((line) => line.replace(file, 'FILE').replace(/^(Error: FILE:\d+:\d+): .*/, '$1')),
      ['Error: FILE:2:3', 'Error: FILE:4:1'],
      err,
    );
  });

  it('refuses what it cannot read', async () => {
    for (const [argv, message] of [
      [['x'], /^Error: convert needs --from \(valid values: \[phlare agent alloy\]\)/],
      [
        ['--from', 'static', 'x'],
        /^Error: invalid value "static" for --from \(valid values: \[phlare agent alloy\]\)/,
      ],
      [['--from', 'alloy'], /^Error: convert needs the name of a file, or - for stdin/],
      [['--from', 'alloy', join(folder, 'none')], /^Error: ENOENT/],
      [['--from', 'alloy', folder], /^Error: \S+ is a directory; .* its files as one: cat /],
      [['--from', 'alloy', fileOf('')], /^Error: .*: nothing in it is about profiles/],
    ] as const) {
      const { code, out, err } = await run(...argv);
      assert.deepEqual([code, out], [1, '']);
      assert.match(err, message);
    }
  });
});

function silentIo() {
  return {
    stdout: () => undefined,
    stderr: () => undefined,
    loadDistribution: async () => (await import('../distribution.ts')).distribution,
  };
}
