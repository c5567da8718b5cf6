// SPDX-License-Identifier: Apache-2.0
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { packageRoot } from '../../internal/package-root.ts';

/** One file of the page, ready to be sent. */
export interface Asset {
  readonly body: Buffer;
  readonly gzipped: Buffer;
  readonly contentType: string;
  readonly etag: string;
}

const FILES = ['index.html', 'app.js', 'app.css', 'icon.svg'];

const CONTENT_TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
};

/** Folder that scripts/build-web.mjs writes. */
export function webFolder(): string {
  return join(packageRoot(), 'build', 'web');
}

/** The page's files by URL path. Rejects where the page was not built. */
export async function loadAssets(folder: string): Promise<ReadonlyMap<string, Asset>> {
  const assets = new Map<string, Asset>();
  for (const name of FILES) {
    const body = await readFile(join(folder, name));
    assets.set(name === 'index.html' ? '/' : `/${name}`, {
      body,
      gzipped: gzipSync(body, { level: 9 }),
      contentType: CONTENT_TYPES[extname(name)] ?? 'application/octet-stream',
      etag: `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"`,
    });
  }
  return assets;
}
