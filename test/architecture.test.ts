// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { describe, it } from 'node:test';
import { packageRoot } from '../src/internal/package-root.ts';

const SRC = join(packageRoot(), 'src');

/** Which rooms a room may import; src/README.md says the same in words. Every room may import itself. */
const LAYERS: Readonly<Record<string, readonly string[]>> = {
  internal: [],
  pdata: ['native', 'internal'],
  relabel: ['internal'],
  consumer: ['pdata', 'internal'],
  component: ['consumer', 'pdata', 'internal'],
  config: ['component', 'consumer', 'pdata', 'internal'],
  codecs: ['compression', 'native', 'pdata', 'relabel', 'internal'],
  native: ['internal'],
  compression: ['native', 'internal'],
  grpc: ['compression', 'native', 'internal', 'config', 'component', 'consumer'],
  'http-client': ['component', 'config', 'consumer', 'internal'],
  discovery: ['http-client', 'native', 'relabel', 'component', 'config', 'internal'],
  profiler: [
    'discovery',
    'codecs',
    'native',
    'config',
    'component',
    'consumer',
    'pdata',
    'relabel',
    'internal',
  ],
  receivers: [
    'profiler',
    'discovery',
    'http-client',
    'codecs',
    'compression',
    'grpc',
    'native',
    'config',
    'component',
    'consumer',
    'pdata',
    'relabel',
    'internal',
  ],
  processors: [
    'discovery',
    'http-client',
    'codecs',
    'native',
    'config',
    'component',
    'consumer',
    'pdata',
    'relabel',
    'internal',
  ],
  exporters: [
    'discovery',
    'http-client',
    'codecs',
    'compression',
    'grpc',
    'config',
    'component',
    'consumer',
    'pdata',
    'relabel',
    'internal',
  ],
  connectors: ['config', 'component', 'consumer', 'pdata', 'internal'],
  extensions: ['http-client', 'codecs', 'config', 'component', 'consumer', 'pdata', 'internal'],
  service: ['grpc', 'component', 'consumer', 'config', 'pdata', 'internal'],
  migration: ['config', 'internal'],
  cli: [
    'migration',
    'service',
    'native',
    'config',
    'component',
    'consumer',
    'pdata',
    'relabel',
    'internal',
    'distribution.ts',
  ],
  'distribution.ts': ['receivers', 'processors', 'exporters', 'connectors', 'extensions', 'component'],
  'main.ts': ['cli', 'service', 'config', 'component', 'distribution.ts', 'internal'],
};

/** Rooms whose folders are components: they know nothing of each other. */
const COMPONENT_ROOMS = new Set(['receivers', 'processors', 'exporters', 'connectors', 'extensions']);

interface Import {
  readonly from: string;
  readonly to: string;
}

function sourceFiles(dir: string): string[] {
  return readdirSync(dir, { withFileTypes: true }).flatMap((entry) => {
    const path = join(dir, entry.name);
    if (entry.isDirectory()) return sourceFiles(path);
    return entry.name.endsWith('.ts') ? [path] : [];
  });
}

const IMPORT =
  /(?:^|\n)\s*(?:import|export)\b[^'"`;]*?from\s*'([^']+)'|\bimport\(\s*'([^']+)'\s*\)|(?:^|\n)import\s*'([^']+)'/g;

/** Relative imports of a file, both sides as paths below src. */
function importsOf(path: string, text: string): Import[] {
  const from = relative(SRC, path);
  return [...text.matchAll(IMPORT)]
    .map((m) => m[1] ?? m[2] ?? m[3] ?? '')
    .filter((specifier) => specifier.startsWith('.'))
    .map((specifier) => ({ from, to: relative(SRC, resolve(dirname(path), specifier)) }));
}

const roomOf = (path: string): string => path.split('/')[0] ?? '';
const isTest = (path: string): boolean => path.endsWith('.test.ts') || path.includes('/testing/');

/** What is wrong with an import, or undefined. */
function violation({ from, to }: Import): string | undefined {
  if (to.startsWith('..')) return isTest(from) ? undefined : `${from} imports ${to}, outside src`;
  const [fromRoom, toRoom] = [roomOf(from), roomOf(to)];
  if (isTest(from)) return undefined;
  if (to.includes('/testing/')) return `${from} imports test code ${to}`;
  if (fromRoom !== toRoom) {
    const allowed = LAYERS[fromRoom];
    if (allowed === undefined) return `${fromRoom} is no room of the table`;
    return allowed.includes(toRoom) ? undefined : `${from} may not import ${to}`;
  }
  const [fromFolder, toFolder] = [from.split('/')[1], to.split('/')[1]];
  if (
    COMPONENT_ROOMS.has(fromRoom) &&
    fromFolder !== toFolder &&
    !(fromRoom === 'exporters' && toFolder === 'helper')
  ) {
    return `${from} imports its sibling ${to}`;
  }
  return undefined;
}

function findCycle(imports: readonly Import[]): string[] | undefined {
  const next = new Map<string, string[]>();
  for (const { from, to } of imports) next.set(from, [...(next.get(from) ?? []), to]);
  const done = new Set<string>();
  const walk = (file: string, path: string[]): string[] | undefined => {
    if (path.includes(file)) return [...path.slice(path.indexOf(file)), file];
    if (done.has(file)) return undefined;
    for (const to of next.get(file) ?? []) {
      const cycle = walk(to, [...path, file]);
      if (cycle !== undefined) return cycle;
    }
    done.add(file);
    return undefined;
  };
  for (const file of next.keys()) {
    const cycle = walk(file, []);
    if (cycle !== undefined) return cycle;
  }
  return undefined;
}

const files = sourceFiles(SRC);
const texts = new Map(files.map((file) => [file, readFileSync(file, 'utf8')]));
const imports = files.flatMap((file) => importsOf(file, texts.get(file) ?? ''));

describe('the house', () => {
  it('is looked at as a whole', () => {
    assert.ok(files.length > 60, `only ${files.length} files seen`);
    assert.ok(imports.length > 200, `only ${imports.length} imports seen`);
  });

  it('has no import against the layers', () => {
    assert.deepEqual(
      imports.map(violation).filter((v) => v !== undefined),
      [],
    );
  });

  it('notices planted violations', () => {
    assert.match(violation({ from: 'pdata/x.ts', to: 'config/y.ts' }) ?? '', /may not import/);
    assert.match(violation({ from: 'exporters/a/x.ts', to: 'exporters/b/y.ts' }) ?? '', /sibling/);
    assert.match(violation({ from: 'service/x.ts', to: 'receivers/otlp/y.ts' }) ?? '', /may not import/);
    assert.match(violation({ from: 'cli/x.ts', to: 'internal/testing/y.ts' }) ?? '', /test code/);
    assert.equal(violation({ from: 'exporters/a/x.ts', to: 'exporters/helper/y.ts' }), undefined);
    const text =
      "import { a } from './b.ts';\nexport type { c } from '../d/e.ts';\nawait import('../f/g.ts');";
    assert.equal(importsOf(join(SRC, 'pdata', 'x.ts'), text).length, 3);
    assert.deepEqual(
      findCycle([
        { from: 'a', to: 'b' },
        { from: 'b', to: 'a' },
      ]),
      ['a', 'b', 'a'],
    );
  });

  it('has no cycle between files', () => {
    assert.equal(findCycle(imports.filter((i) => !isTest(i.from))), undefined);
  });

  it('has no file over 500 lines', () => {
    const ofTests = sourceFiles(import.meta.dirname);
    assert.ok(ofTests.length > 100, `only ${ofTests.length} files of tests seen`);
    const long = [...files, ...ofTests].map((file) => ({
      file: relative(SRC, file),
      lines: (texts.get(file) ?? readFileSync(file, 'utf8')).split('\n').length,
    }));
    assert.deepEqual(
      long.filter((f) => f.lines > 500),
      [],
    );
  });

  it('loads each addon in one place only', () => {
    const loaders = [...texts].filter(([file, text]) => !isTest(file) && /\.node['"`]/.test(text));
    assert.deepEqual(loaders.map(([file]) => relative(SRC, file)).sort(), [
      'native/addon.ts',
      'native/codecs-addon.ts',
    ]);
  });

  it('has no function over 80 lines', () => {
    const long = [...texts]
      .filter(([file]) => !isTest(file))
      .flatMap(([file, text]) => longFunctions(relative(SRC, file), text));
    assert.deepEqual(long, []);
  });
});

/** Functions whose body spans more than 80 lines, by the indentation that the formatter guarantees. */
function longFunctions(file: string, text: string): string[] {
  const lines = text.split('\n');
  const found: string[] = [];
  lines.forEach((line, start) => {
    const head =
      /^(\s*)(?:export\s+)?(?:async\s+)?(?:function\b|(?:static\s+|async\s+|\*\s*|get\s+|set\s+|override\s+)*#?\w+\s*(?:<[^>]*>)?\([^;]*\{$)/.exec(
        line,
      );
    if (head === null || /^\s*(if|for|while|switch|return|describe|it)\b/.test(line)) return;
    const end = lines.findIndex((l, i) => i > start && l.startsWith(`${head[1]}}`));
    if (end - start > 80) found.push(`${file}:${start + 1} spans ${end - start} lines`);
  });
  return found;
}
