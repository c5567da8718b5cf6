// SPDX-License-Identifier: Apache-2.0
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { constants, Script } from 'node:vm';

export const PROGRAM = fileURLToPath(new URL('../build/otelcol-profiles.cjs', import.meta.url));
/** What V8 made of the program when it was built, behind the program's hash. */
export const CODE_CACHE = `${PROGRAM}.cache`;

export const hashOf = (source) => createHash('sha256').update(source, 'latin1').digest();

/**
 * Runs the program of this installation and gives its compiled script; undefined where it is not built. With the code
 * cache a start compiles nothing; another version of Node.js refuses that, and compiles.
 */
export function runProgram() {
  if (!existsSync(PROGRAM)) return undefined;
  // It is ASCII: V8 keeps a byte for each character.
  const source = readFileSync(PROGRAM, 'latin1');
  const cachedData = codeCacheOf(source);
  const script = new Script(`(function (exports, require, module, __filename, __dirname) {${source}\n})`, {
    filename: PROGRAM,
    importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
    ...(cachedData !== undefined && { cachedData }),
  });
  const module = { exports: {} };
  script.runInThisContext()(module.exports, createRequire(PROGRAM), module, PROGRAM, dirname(PROGRAM));
  return script;
}

/** V8 itself knows a program by its length only. */
function codeCacheOf(source) {
  if (!existsSync(CODE_CACHE)) return undefined;
  const cache = readFileSync(CODE_CACHE);
  const hash = hashOf(source);
  return cache.subarray(0, hash.length).equals(hash) ? cache.subarray(hash.length) : undefined;
}
