// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { encodeWhole } from '../../src/codecs/pprof/testing/encode-whole.ts';
import { decodePprofAsOtlp } from '../../src/codecs/pprof/decode-as-otlp.ts';
import { mergePprof } from '../../src/codecs/pprof/merge.ts';
import { readPprof } from '../../src/codecs/pprof/read.ts';
import { packageRoot } from '../../src/internal/package-root.ts';
import { codecsAddon } from '../../src/native/codecs-addon.ts';
import type { Random } from '../../src/internal/testing/otlp-random.ts';
import { pprofMeaning, randomPprof } from '../../src/internal/testing/pprof-meaning.ts';
import { DecodeError, Wire, WireReader } from '../../src/internal/wire-reader.ts';
import type { ProfilesBatch } from '../../src/pdata/profiles-batch.ts';
import { assertSpeedscope } from './folded.ts';
import { pick } from './mutate.ts';
import { assertEncodes, assertSame } from './otlp.ts';
import type { FuzzTarget, Outcome } from './target.ts';

const GOLDEN = join(packageRoot(), 'test', 'golden', 'pprof');
const golden = readdirSync(GOLDEN)
  .filter((name) => name.endsWith('.pb.gz'))
  .map((name) => new Uint8Array(readFileSync(join(GOLDEN, name))));

/** A file of a real producer, or one with every field; gzipped now and then. */
function pprofSeed(random: Random): Uint8Array {
  if (random.below(8) === 0) return pick(random, golden);
  const file = randomPprof(random);
  return random.below(8) === 0 ? gzipSync(file) : file;
}

/**
 * Any bytes are a batch or DecodeError. A file comes out of decode and encode with everything that it had,
 * as pprof-format sees it too; two of it merged have twice its values; and it can be written in every other
 * format.
 */
export const pprofTarget: FuzzTarget = {
  name: 'pprof',
  seed: pprofSeed,
  async run(input): Promise<Outcome> {
    const batch = await decoded(input);
    if (batch === undefined) return 'refused';
    assertEncodes(batch, 'from pprof');
    if (input[0] !== 0x1f) assertSame(decodePprofAsOtlp(input), batch, 'by way of OTLP');
    if (batch.resources.length === 0 || hasSecondEmptyString(batch)) return 'accepted';
    const file = encodeWhole(batch);
    assertSame(await readPprof(file), batch, 'written as pprof');
    const [theirs, ours] = [peerReads(input), pprofMeaning(file)];
    if (theirs !== undefined) assert.deepEqual(ours, theirs, 'pprof-format disagrees');
    assertMerges(batch);
    assertSpeedscope(batch);
    return 'accepted';
  },
};

/** What refers to another empty string than the first is not written: pprof cannot tell it from what is unset. */
function hasSecondEmptyString({ dictionary }: ProfilesBatch): boolean {
  const { start, end } = dictionary.tables.strings;
  return start.some((from, row) => row > 0 && from === end[row]);
}

async function decoded(input: Uint8Array): Promise<ProfilesBatch | undefined> {
  try {
    return await readPprof(input);
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    // Rows of little in many bytes, which TypeScript keeps as columns and the addon does not.
    const isTooMuch = /times the size/.test(error.message);
    if (!isTooMuch) assert.equal(codecsAddon()?.pprofToOtlp(input), undefined, `refused: ${error.message}`);
    return undefined;
  }
}

/** What pprof-format reads; it knows neither gzip nor fields above 15 or of fixed size, which are unknown ones. */
function peerReads(file: Uint8Array): string[] | undefined {
  const r = new WireReader(file, 'pprof');
  return file[0] === 0x1f || isBeyondPeer(r, MESSAGES) ? undefined : pprofMeaning(file);
}

interface Messages {
  readonly [field: number]: Messages;
}
const MESSAGES: Messages = { 1: {}, 2: { 3: {} }, 3: {}, 4: { 4: {} }, 5: {}, 11: {} };

function isBeyondPeer(r: WireReader, messages: Messages): boolean {
  let found = false;
  while (!found && r.next()) {
    const inner = messages[r.field];
    if (inner === undefined || r.wire !== Wire.Len) {
      found = r.field > 15 || r.wire === Wire.I64 || r.wire === Wire.I32;
      r.skip();
      continue;
    }
    const message = r.view();
    found = isBeyondPeer(new WireReader(message, 'pprof'), inner);
  }
  return found;
}

const totalsOf = (batch: ProfilesBatch): bigint[] =>
  [...batch.profiles()].map(({ profile }) => profile.samples.values.reduce((a, b) => a + b, 0n));

function assertMerges(batch: ProfilesBatch): void {
  const merged = mergePprof([batch, batch]);
  assert.deepEqual(
    totalsOf(merged),
    totalsOf(batch).map((total) => total * 2n),
    'a merge keeps sums',
  );
  assert.equal(merged.profileCount, batch.profileCount);
  encodeWhole(merged);
}
