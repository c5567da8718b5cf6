// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../src/internal/package-root.ts';
import { pythonEnv, type PythonEnv } from './python-env.ts';

const FOLDER = join(packageRoot(), '.cache', 'python-otlp');
const PACKAGES = ['opentelemetry-proto>=1.25'];

/**
 * The same Python with OpenTelemetry's own messages for metrics, traces and logs, in a folder of their own:
 * their module has the name of our stubs. Made on first use with a package download.
 */
export function pythonOtlp(): PythonEnv {
  const { python, env } = pythonEnv();
  const ready = join(FOLDER, 'ready');
  const wanted = PACKAGES.join(' ');
  if (!existsSync(ready) || readFileSync(ready, 'utf8') !== wanted) {
    rmSync(FOLDER, { recursive: true, force: true });
    mkdirSync(FOLDER, { recursive: true });
    const options = ['--quiet', '--disable-pip-version-check', '--no-deps', '--target', FOLDER];
    execFileSync(python, ['-m', 'pip', 'install', ...options, ...PACKAGES], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    writeFileSync(ready, wanted);
  }
  return { python, env: { ...env, PYTHONPATH: FOLDER } };
}
