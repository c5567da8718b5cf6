// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { lockDirectory } from '../../src/extensions/file-storage/directory-lock.ts';
import { packageRoot } from '../../src/internal/package-root.ts';

const ENV = join(packageRoot(), '.cache', 'python-env');
const LOCK = join(packageRoot(), '.cache', 'python-env-lock');
const STUBS = join(ENV, 'stubs');
const PACKAGES = [
  'grpcio>=1.60',
  'grpcio-tools>=1.60',
  'protobuf',
  'zstandard',
  'cramjam',
  'pyroscope-io>=1.4',
];
const PROTO_FILES = [
  'opentelemetry/proto/common/v1/common.proto',
  'opentelemetry/proto/resource/v1/resource.proto',
  'opentelemetry/proto/profiles/v1development/profiles.proto',
  'opentelemetry/proto/collector/profiles/v1development/profiles_service.proto',
];

/**
 * A Python that has grpcio and the stubs of our `proto/`, to be run as a foreign OTLP client or server, and
 * compressions that are not ours.
 */
export interface PythonEnv {
  readonly python: string;
  /** Environment variables under which the stubs can be imported. */
  readonly env: NodeJS.ProcessEnv;
}

let made: PythonEnv | undefined;

/**
 * Makes `.cache/python-env` on first use (about 15 s and a package download) and gives it. Needs python3
 * with its venv module: on Debian the package python3-venv. Throws Error that says what is missing.
 */
export function pythonEnv(): PythonEnv {
  made ??= makeEnv();
  return made;
}

function makeEnv(): PythonEnv {
  mkdirSync(LOCK, { recursive: true });
  // Files of tests run beside each other, each in a process of its own.
  const release = lockOf(LOCK);
  try {
    return madeUnderLock();
  } finally {
    release();
  }
}

/** Waits until no other process has it. */
function lockOf(directory: string): () => void {
  const asleep = new Int32Array(new SharedArrayBuffer(4));
  for (;;) {
    const release = lockDirectory(directory);
    if (release !== undefined) return release;
    Atomics.wait(asleep, 0, 0, 200);
  }
}

function madeUnderLock(): PythonEnv {
  const python = join(ENV, 'bin', 'python');
  const ready = join(ENV, 'ready');
  const wanted = PACKAGES.join(' ');
  const has = existsSync(ready) ? readFileSync(ready, 'utf8') : undefined;
  if (has !== wanted) {
    if (has === undefined) rmSync(ENV, { recursive: true, force: true });
    try {
      run('python3', '-m', 'venv', ENV);
    } catch (cause) {
      throw new Error('python3 cannot make a virtual environment; on Debian: apt-get install python3-venv', {
        cause,
      });
    }
    run(python, '-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', ...PACKAGES);
    mkdirSync(STUBS, { recursive: true });
    const include = join(packageRoot(), 'proto');
    run(
      python,
      '-m',
      'grpc_tools.protoc',
      `-I${include}`,
      `--python_out=${STUBS}`,
      `--grpc_python_out=${STUBS}`,
      ...PROTO_FILES,
    );
    writeFileSync(ready, wanted);
  }
  return { python, env: { ...process.env, PYTHONPATH: STUBS } };
}

function run(command: string, ...args: string[]): void {
  execFileSync(command, args, { stdio: ['ignore', 'ignore', 'pipe'] });
}
