// SPDX-License-Identifier: Apache-2.0
// Bundles the viewer's page into build/web/ and holds it to its size.
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { root } from './steps.mjs';

const MAX_GZIP_BYTES = 60 * 1024;

const out = join(root, 'build', 'web');
rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });
await build({
  entryPoints: { app: join(root, 'web', 'main.ts') },
  outdir: out,
  bundle: true,
  minify: true,
  format: 'esm',
  target: ['chrome111', 'firefox113', 'safari16.4'],
  tsconfig: join(root, 'web', 'tsconfig.json'),
  legalComments: 'none',
  logLevel: 'warning',
});
await build({
  entryPoints: { app: join(root, 'web', 'style.css') },
  outdir: out,
  minify: true,
  target: ['chrome111', 'firefox113', 'safari16.4'],
  logLevel: 'warning',
});
for (const name of ['index.html', 'icon.svg']) copyFileSync(join(root, 'web', name), join(out, name));

const bytes = readdirSync(out).reduce(
  (sum, name) => sum + gzipSync(readFileSync(join(out, name)), { level: 9 }).length,
  0,
);
if (bytes > MAX_GZIP_BYTES) {
  throw new Error(`the page is ${bytes} bytes gzipped, more than ${MAX_GZIP_BYTES}`);
}
console.error(`page: ${(bytes / 1024).toFixed(1)} KiB gzipped`);
