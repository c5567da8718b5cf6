// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { type Compression, compressionWith } from '../../src/compression/compression.ts';
import { packageRoot } from '../../src/internal/package-root.ts';
import { codecsAddon } from '../../src/native/codecs-addon.ts';
import { pythonEnv } from './python-env.ts';

const NAMES = ['gzip', 'zlib', 'deflate', 'zstd', 'snappy', 'x-snappy-framed', 'lz4'] as const;

describe('compression against zlib, zstandard and cramjam of Python', () => {
  const addon = codecsAddon();
  assert.ok(addon !== undefined, 'the codecs addon is not built: run "npm run setup"');
  const native = compressionWith(addon);
  const dir = mkdtempSync(join(tmpdir(), 'otelcol-profiles-compression-'));
  // Long enough for several blocks of every format.
  const plain = new TextEncoder().encode(
    Array.from({ length: 40_000 }, (_, i) => `frame ${(i * 7919) % 4_001}`).join(';'),
  );
  let theirs: readonly string[] = [];

  before(async () => {
    writeFileSync(join(dir, 'plain'), plain);
    for (const name of NAMES) {
      writeFileSync(join(dir, `${name}.ours`), await native.compress(name, plain));
    }
    const { python, env } = pythonEnv();
    const program = join(packageRoot(), 'test', 'integration', 'compression-peer.py');
    execFileSync(python, [program, dir], { env, stdio: ['ignore', 'inherit', 'inherit'] });
    theirs = readdirSync(dir).filter((file) => file.endsWith('.theirs'));
  });
  after(() => {
    rmSync(dir, { recursive: true });
  });

  async function readsTheirs(compression: Compression): Promise<number> {
    let read = 0;
    for (const file of theirs) {
      const name = file.slice(0, file.indexOf('.'));
      if (!compression.isSupported(name)) continue;
      const bytes = new Uint8Array(readFileSync(join(dir, file)));
      const got = await compression.decompress(name, bytes, { maxBytes: plain.length });
      assert.equal(Buffer.compare(got, plain), 0, file);
      assert.equal(got.buffer.byteLength, plain.length, `${file}: not in memory of its size`);
      const tooMuch = { maxBytes: plain.length - 1 };
      await assert.rejects(compression.decompress(name, bytes, tooMuch), { reason: 'too_large' }, file);
      read++;
    }
    return read;
  }

  it('is read by them, and reads every variant that they write', async () => {
    assert.equal(await readsTheirs(native), 15);
  });

  it('reads what this Node has without the addon too', async () => {
    assert.ok((await readsTheirs(compressionWith(undefined))) >= 6);
  });
});
