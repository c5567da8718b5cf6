// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from 'node:child_process';
import { closeSync, openSync, readFileSync, realpathSync, statSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';

/** What the first root file system of a machine holds: paths within, and the files of the host they are copies of. */
export interface ImageContents {
  readonly files: ReadonlyMap<string, string>;
  readonly folders: readonly string[];
}

const S_IFDIR = 0o040000;
const S_IFREG = 0o100000;
const S_IFCHR = 0o020000;
/** /dev/console, without which the first process has no output. */
const CONSOLE = { path: 'dev/console', major: 5, minor: 1 };

/** The shared libraries that programs and addons need, at their paths on the host. */
export function librariesOf(binaries: readonly string[]): string[] {
  const found = new Set<string>();
  for (const binary of binaries) {
    const said = execFileSync('ldd', [binary], { encoding: 'utf8' });
    for (const [, path = ''] of said.matchAll(/(\/\S+) \(0x/g)) found.add(path);
  }
  return [...found].sort();
}

/** Writes an initramfs, uncompressed: unpacking costs an emulated CPU more than reading. */
export function writeImage(path: string, { files, folders }: ImageContents): void {
  const out = openSync(path, 'w');
  const made = new Set<string>();
  let inode = 1;
  const entry = (name: string, mode: number, data: Uint8Array, major = 0, minor = 0): void => {
    // The format "newc" of cpio(5).
    const fields = [inode++, mode, 0, 0, 1, 0, data.length, 0, 0, major, minor, name.length + 1, 0];
    const head = `070701${fields.map((f) => f.toString(16).padStart(8, '0')).join('')}${name}\0`;
    writeSync(out, head.padEnd(Math.ceil(head.length / 4) * 4, '\0'), null, 'latin1');
    for (let at = 0; at < data.length; ) at += writeSync(out, data, at);
    writeSync(out, Buffer.alloc((4 - (data.length % 4)) % 4));
  };
  const folder = (name: string): void => {
    if (name === '' || name === '.' || made.has(name)) return;
    folder(dirname(name));
    made.add(name);
    entry(name, S_IFDIR | 0o755, new Uint8Array());
  };
  const relative = (name: string): string => name.replace(/^\//, '');
  for (const name of folders) folder(relative(name));
  folder(dirname(CONSOLE.path));
  entry(CONSOLE.path, S_IFCHR | 0o600, new Uint8Array(), CONSOLE.major, CONSOLE.minor);
  for (const [name, source] of files) {
    const real = realpathSync(source);
    folder(dirname(relative(name)));
    entry(relative(name), S_IFREG | (statSync(real).mode & 0o777), readFileSync(real));
  }
  entry('TRAILER!!!', 0, new Uint8Array());
  closeSync(out);
}
