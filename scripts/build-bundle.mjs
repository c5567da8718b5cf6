// SPDX-License-Identifier: Apache-2.0
// Bundles the program into build/, as one file: what a start does not use is in it, but not run. Then lets V8 compile
// it once for all starts.
import { spawnSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import { CODE_CACHE, PROGRAM } from '../bin/program.mjs';
import { root } from './steps.mjs';

const { outputFiles } = await build({
  entryPoints: [join(root, 'src', 'main.ts')],
  outfile: PROGRAM,
  bundle: true,
  write: false,
  format: 'cjs',
  platform: 'node',
  target: 'node20.19',
  minifySyntax: true,
  minifyWhitespace: true,
  // Lines that a stack trace can name.
  lineLimit: 160,
  sourcemap: 'linked',
  sourcesContent: false,
  legalComments: 'none',
  logLevel: 'warning',
  define: { 'import.meta.url': '__importMetaUrl' },
  banner: { js: "const __importMetaUrl = require('node:url').pathToFileURL(__filename).href;" },
});
for (const { path, text } of outputFiles) {
  // Regular expressions keep their characters, and one beyond Latin-1 would double the memory of the whole text.
  const ascii = text.replace(/[^\0-\x7f]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
  writeFileSync(path, path.endsWith('.map') ? text : ascii);
}
rmSync(CODE_CACHE, { force: true });
const { status, stderr } = spawnSync(process.execPath, [join(root, 'scripts', 'build-code-cache.mjs')], {
  encoding: 'utf8',
  timeout: 60_000,
});
// Starts take longer then, and that is all.
if (status !== 0) process.stderr.write(`no code cache, for the program does not start here:\n${stderr}\n`);
