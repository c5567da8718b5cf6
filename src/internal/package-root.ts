// SPDX-License-Identifier: Apache-2.0
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

let root: string | undefined;

/**
 * The folder that holds package.json, whether the program runs from source or from the bundle in
 * `build/`. What is installed beside the code (proto files, eBPF objects, the addon, the page) is
 * found from here. Throws Error where there is none.
 */
export function packageRoot(): string {
  if (root !== undefined) return root;
  for (let at = dirname(fileURLToPath(import.meta.url)); ; at = dirname(at)) {
    if (existsSync(join(at, 'package.json'))) {
      root = at;
      return at;
    }
    if (dirname(at) === at)
      throw new Error('no package.json above the program: the installation is incomplete');
  }
}
