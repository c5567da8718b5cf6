// SPDX-License-Identifier: Apache-2.0
// Bundles the program into build/: one file for what every start needs, chunks for what is loaded later.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import { root } from './steps.mjs';

rmSync(join(root, 'build', 'chunks'), { recursive: true, force: true });
await build({
  entryPoints: { 'otelcol-profiles': join(root, 'src', 'main.ts') },
  outdir: join(root, 'build'),
  outExtension: { '.js': '.mjs' },
  chunkNames: 'chunks/[name]-[hash]',
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node20.19',
  minifySyntax: true,
  sourcemap: 'linked',
  sourcesContent: false,
  legalComments: 'none',
  logLevel: 'warning',
  // CommonJS packages inside an ES module still call require.
  banner: {
    js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);",
  },
});
