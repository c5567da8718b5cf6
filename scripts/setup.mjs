// SPDX-License-Identifier: Apache-2.0
// Brings a fresh checkout to the point where it runs: Debian packages, npm packages, eBPF objects, the
// addons, the page and the bundle. Each step is skipped when its inputs did not change.
// With --test it also installs what the tests need.
import { join } from 'node:path';
import { CODECS_PACKAGES, EBPF_PACKAGES, installPackages, TEST_PACKAGES } from './debian-packages.mjs';
import { hashOf, isFresh, markFresh, root, run, step, StepError } from './steps.mjs';

const NODE_FLOOR = [20, 19];

function checkNode() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  if (major > NODE_FLOOR[0] || (major === NODE_FLOOR[0] && minor >= NODE_FLOOR[1])) return;
  throw new StepError(`Node ${process.versions.node} is too old`, [
    `install Node ${NODE_FLOOR.join('.')} or newer`,
  ]);
}

async function once(name, title, inputs, outputs, work) {
  const key = `${hashOf(inputs)} ${process.version} ${process.arch}`;
  if (isFresh(name, key, outputs)) return;
  await step(title, work);
  markFresh(name, key);
}

/** The native parts: each is built, or said to be missing, without regard to the other. */
const NATIVE_PARTS = [
  {
    name: 'native',
    title: 'eBPF programs and addon',
    only: 'bpf,addon',
    packages: EBPF_PACKAGES,
    inputs: ['native/bpf', 'native/addon'],
    outputs: ['build/otelcol_profiles.node', 'build/bpf'],
  },
  {
    name: 'codecs',
    title: 'codecs addon',
    only: 'codecs',
    packages: CODECS_PACKAGES,
    inputs: ['native/codecs'],
    outputs: ['build/otelcol_codecs.node'],
  },
];

/** Why a native part cannot be built here, with its remedy; undefined where it was built. */
async function native({ name, title, only, packages, inputs: folders, outputs }) {
  const scripts = [
    'scripts/build-native.mjs',
    'scripts/compile.mjs',
    'scripts/debian-packages.mjs',
    'package-lock.json',
  ];
  const inputs = [...folders, ...scripts];
  if (isFresh(name, `${hashOf(inputs)} ${process.version} ${process.arch}`, outputs)) return undefined;
  try {
    await step(`Debian packages for the ${title}`, () => installPackages(packages));
    await once(name, title, inputs, outputs, () => {
      run('node', ['scripts/build-native.mjs', `--only=${only}`]);
    });
    return undefined;
  } catch (error) {
    if (error instanceof StepError) return error;
    throw error;
  }
}

/**
 * Sets the checkout up. Returns what could not be done although the rest works (the native parts where
 * the packages cannot be installed); throws StepError where nothing can work.
 */
export async function setUp({ test = false } = {}) {
  checkNode();
  const lock = ['package.json', 'package-lock.json'];
  await once('npm', 'npm packages', lock, ['node_modules/esbuild'], () => {
    // Not "npm ci": it refuses a lock file that leaves out other platforms' optional binaries.
    run('npm', ['install', '--no-save', '--no-audit', '--no-fund', '--loglevel=error']);
  });
  const failures = [];
  for (const part of NATIVE_PARTS) failures.push(await native(part));
  await once('web', 'page', ['web', 'scripts/build-web.mjs', ...lock], ['build/web'], () => {
    run('node', ['scripts/build-web.mjs']);
  });
  await once(
    'bundle',
    'program',
    ['src', 'proto', 'bin', 'scripts/build-bundle.mjs', 'scripts/build-code-cache.mjs', ...lock],
    ['build/otelcol-profiles.cjs'],
    () => {
      run('node', ['scripts/build-bundle.mjs']);
    },
  );
  if (test)
    await step('Debian packages for the tests', () =>
      installPackages([...new Set([...EBPF_PACKAGES, ...CODECS_PACKAGES, ...TEST_PACKAGES])]),
    );
  return merged(failures.filter((failure) => failure !== undefined));
}

/** One failure that says everything; undefined where there was none. */
function merged(failures) {
  if (failures.length <= 1) return failures[0];
  return new StepError(
    failures.map((failure) => failure.message).join('\n'),
    failures.flatMap((failure) => failure.remedy),
  );
}

/** Prints what is missing and how to mend it. */
export function printFailure(error) {
  process.stderr.write(`\n${error.message}\n`);
  for (const line of error.remedy ?? []) process.stderr.write(`  → ${line}\n`);
}

if (process.argv[1] === join(root, 'scripts', 'setup.mjs')) {
  try {
    const failed = await setUp({ test: process.argv.includes('--test') });
    if (failed !== undefined) {
      printFailure(failed);
      process.exitCode = 1;
    }
  } catch (error) {
    if (!(error instanceof StepError)) throw error;
    printFailure(error);
    process.exitCode = 1;
  }
}
