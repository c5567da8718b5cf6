// SPDX-License-Identifier: Apache-2.0
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Where the configurations lie that people bring. */
export const BROUGHT = join(import.meta.dirname, 'brought');

/** A configuration that people bring, with what its comments say of it. */
export interface Brought {
  readonly name: string;
  /** The YAML as it is given to a collector. */
  readonly text: string;
  /** Where such a configuration is found. */
  readonly source: string;
  /** Whether a service of it has to start and stop here. */
  readonly starts: boolean;
  /** What the Go Collector of test/peers says to it: `test/peers/main.ts --record` writes it. */
  readonly go: 'accepted' | 'refused' | 'not built';
  readonly ours: 'accepted' | 'refused';
  /** Why the two differ. */
  readonly why: string | undefined;
  /** What ours says, line by line: the faults of a refused configuration, the warnings of an accepted one. */
  readonly says: readonly string[];
}

/** The values of `# key: value` comments, in order. */
function comments(text: string, key: string): readonly string[] {
  return [...text.matchAll(new RegExp(`^# ${key}: (.*)$`, 'gm'))].map(([, value]) => value ?? '');
}

function oneOf<const Words extends readonly string[]>(
  name: string,
  text: string,
  key: string,
  words: Words,
): Words[number] {
  const [value] = comments(text, key);
  const found = words.find((word) => word === value);
  if (found === undefined) throw new Error(`${name}: "# ${key}:" is none of ${words.join(', ')}`);
  return found;
}

function read(file: string): Brought {
  const text = readFileSync(join(BROUGHT, file), 'utf8');
  return {
    name: file,
    text,
    source: comments(text, 'source')[0] ?? '',
    starts: comments(text, 'start')[0] === 'yes',
    go: oneOf(file, text, 'go', ['accepted', 'refused', 'not built']),
    ours: oneOf(file, text, 'ours', ['accepted', 'refused']),
    why: comments(text, 'why')[0],
    says: comments(text, 'says'),
  };
}

/** All of them, by name. */
export function everyBrought(): readonly Brought[] {
  return readdirSync(BROUGHT)
    .filter((name) => name.endsWith('.yaml'))
    .sort()
    .map(read);
}

/** What the configurations take from the environment; `STORAGE` is a new folder with a file `token`. */
export function broughtEnvironment(): Readonly<Record<string, string>> {
  const storage = mkdtempSync(join(tmpdir(), 'brought-'));
  mkdirSync(join(storage, 'mydir'));
  writeFileSync(join(storage, 'token'), 'of-the-file', { mode: 0o600 });
  return {
    STORAGE: storage,
    API_TOKEN: 'of-the-environment',
    BASIC_AUTH_USERNAME: 'username',
    // bcrypt of "password"
    BASIC_AUTH_PASSWORD: '$2a$10$fF2zKyrBZ0nF8CpyG8Y2f.BzDgPwOi1bVQBb3Hgm8V7.C6A4TyR5e',
    KUBE_NODE_NAME: 'node-1',
    PORT: '4317',
    DIGITS: '0123',
    SIZE: '0x40',
    TLS: '{insecure: true}',
  };
}
