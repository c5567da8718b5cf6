// SPDX-License-Identifier: Apache-2.0
// `npm test`: set up, then every check and every test. One argument or more: only these test files.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { printFailure, setUp } from './setup.mjs';
import { root, run, step, StepError } from './steps.mjs';

/** Files below the folders whose name ends in .test.ts; fs.globSync needs a newer Node. */
function testFiles(folders) {
  const found = [];
  const visit = (dir) => {
    for (const entry of readdirSync(dir, { withFileTypes: true })) {
      if (entry.isDirectory()) visit(join(dir, entry.name));
      else if (entry.name.endsWith('.test.ts')) found.push(relative(root, join(dir, entry.name)));
    }
  };
  for (const folder of folders) visit(join(root, folder));
  return found.sort((a, b) => (a < b ? -1 : 1));
}

try {
  const failed = await setUp({ test: true });
  if (failed !== undefined) throw failed;
  const chosen = process.argv.slice(2);
  if (chosen.length === 0) {
    await step('types, format, lint, dead exports', () => {
      run('npm', ['run', '--silent', 'check']);
    });
    await step('native unit tests', () => {
      run('node', ['scripts/build-native.mjs', '--test']);
    });
    await step('native fuzz targets, some seconds', () => {
      run('node', ['scripts/fuzz-native.mjs']);
    });
  }
  await step('Go for the peers of the tests', () => {
    const install = "(await import('./test/go.ts')).needGo()";
    run('node', ['--import', 'tsx', '--input-type=module', '--eval', install]);
  });
  await step('CPython 3.14 for the tests', () => {
    const install = "const m = await import('./test/debian-root.ts'); m.needDebianRoot(m.PYTHON_3_14)";
    run('node', ['--import', 'tsx', '--input-type=module', '--eval', install]);
  });
  // What the profiler keeps between runs belongs to this run only.
  const cache = mkdtempSync(join(tmpdir(), 'otelcol-profiles-test-cache-'));
  // What failed is said once more at the end, half an hour of output later.
  const failures = mkdtempSync(join(tmpdir(), 'otelcol-profiles-test-failures-'));
  const files = chosen.length > 0 ? chosen : testFiles(['src', 'web', 'test']);
  /** Gives back whether they passed. */
  const runTests = (paths, atOnce) => {
    if (paths.length === 0) return true;
    const flags = ['--import', 'tsx', '--test', '--test-timeout=600000'];
    const list = join(failures, `${atOnce}.txt`);
    flags.push('--test-reporter=spec', '--test-reporter-destination=stdout');
    flags.push('--test-reporter=./scripts/failed-tests.mjs', `--test-reporter-destination=${list}`);
    const { status } = spawnSync(process.execPath, [...flags, `--test-concurrency=${atOnce}`, ...paths], {
      cwd: root,
      stdio: 'inherit',
      env: { ...process.env, CACHE_DIRECTORY: cache },
    });
    return status === 0;
  };
  // What profiles this host is judged by what it sees of it: one at a time, with nothing beside it.
  const wholeHost = (file) => file.startsWith(join('test', 'e2e', ''));
  const passed = [
    runTests(
      files.filter((file) => !wholeHost(file)),
      2,
    ),
    runTests(files.filter(wholeHost), 1),
  ];
  rmSync(cache, { recursive: true, force: true });
  process.exitCode = passed.every(Boolean) ? 0 : 1;
  if (chosen.length === 0) {
    // The oldest kernel that the profiler supports; `npm run test:kernels` has the others.
    const kernels = ['--import', 'tsx', 'test/kernels/main.ts', '--if-possible', '5.10'];
    const { status } = spawnSync(process.execPath, kernels, { cwd: root, stdio: 'inherit' });
    process.exitCode ||= status ?? 1;
  }
  for (const name of readdirSync(failures)) process.stdout.write(readFileSync(join(failures, name), 'utf8'));
  rmSync(failures, { recursive: true, force: true });
} catch (error) {
  if (!(error instanceof StepError)) throw error;
  printFailure(error);
  process.exitCode = 1;
}
