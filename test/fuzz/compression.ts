// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import {
  type Compression,
  CompressionError,
  type CompressionName,
  compressionWith,
} from '../../src/compression/compression.ts';
import type { Random } from '../../src/internal/testing/otlp-random.ts';
import { codecsAddon } from '../../src/native/codecs-addon.ts';
import { pick } from './mutate.ts';
import type { FuzzTarget, Outcome } from './target.ts';

const NAMES = ['gzip', 'zlib', 'deflate', 'zstd', 'snappy', 'x-snappy-framed', 'lz4'] as const;
const MAX_BYTES = 64 * 1024;
const TEXTS = ['', 'main', 'a;b 1\n'.repeat(300), '\u0000'.repeat(MAX_BYTES), 'x'.repeat(MAX_BYTES + 1)];

const ours = compressionWith(codecsAddon());
const nodes = compressionWith(undefined);
const names = NAMES.filter((name) => ours.isSupported(name));

/** Valid inputs: the place of the compression in `names`, and what it made. */
const seeds = await Promise.all(
  names.flatMap((name, i) =>
    TEXTS.map(async (text) => Uint8Array.from([i, ...(await ours.compress(name, Buffer.from(text)))])),
  ),
);

/** Two in a row are one stream to some. */
function compressionSeed(random: Random): Uint8Array {
  const seed = pick(random, seeds);
  return random.below(6) === 0 ? Uint8Array.from([...seed, ...seed.subarray(1)]) : seed;
}

/**
 * Any bytes become at most as many as allowed, or CompressionError. What the addon makes of them is what
 * Node makes of them, and can be compressed and decompressed again.
 */
export const compressionTarget: FuzzTarget = {
  name: 'compression',
  seed: compressionSeed,
  async run(input): Promise<Outcome> {
    const name = names[(input[0] ?? 0) % names.length] ?? 'gzip';
    const bytes = input.slice(1);
    const output = await outcomeOf(ours, name, bytes);
    if (nodes.isSupported(name)) assertAgree(name, output, await outcomeOf(nodes, name, bytes));
    if (output instanceof CompressionError) return 'refused';
    assert.ok(output.length <= MAX_BYTES, `${name}: ${output.length} bytes`);
    if (output.length === 0) return 'accepted';
    const again = await ours.decompress(name, await ours.compress(name, output), { maxBytes: MAX_BYTES });
    assert.ok(Buffer.from(again).equals(output), `${name}: compressed and decompressed again`);
    return 'accepted';
  },
};

async function outcomeOf(
  compression: Compression,
  name: CompressionName,
  bytes: Uint8Array,
): Promise<Uint8Array | CompressionError> {
  try {
    return await compression.decompress(name, bytes, { maxBytes: MAX_BYTES });
  } catch (error) {
    if (error instanceof CompressionError) return error;
    throw error;
  }
}

/** libdeflate reads codes that no encoder writes (286 and 287 as a length of 258); zlib does not. */
const ZLIB_IS_STRICTER = /invalid (literal\/length|distance) code/;

/** Two that refuse may do so for different reasons: damaged data can be too large as well. */
function assertAgree(
  name: CompressionName,
  output: Uint8Array | CompressionError,
  theirs: Uint8Array | CompressionError,
): void {
  if (theirs instanceof CompressionError) {
    const isKnown = ZLIB_IS_STRICTER.test(messageOf(theirs));
    assert.ok(output instanceof CompressionError || isKnown, `${name}: Node refuses: ${messageOf(theirs)}`);
    return;
  }
  assert.ok(!(output instanceof CompressionError), `${name}: Node accepts: ${String(output)}`);
  assert.ok(Buffer.from(output).equals(theirs), `${name}: Node makes other bytes`);
}

const messageOf = ({ cause }: Error): string => (cause instanceof Error ? cause.message : '');
