// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { DecodeError } from '../../internal/wire-reader.ts';
import { Random } from '../../internal/testing/otlp-random.ts';
import { pprofMeaning, randomPprof } from '../../internal/testing/pprof-meaning.ts';
import { meaningDifference } from '../../pdata/canonical.ts';
import type { ProfilesBatch } from '../../pdata/profiles-batch.ts';
import { decodePprof } from './decode.ts';
import { encodeWhole } from './testing/encode-whole.ts';

/** The batch, or undefined where the bytes are refused. */
function decoded(bytes: Uint8Array): ProfilesBatch | undefined {
  try {
    return decodePprof(bytes);
  } catch (error) {
    assert.ok(error instanceof DecodeError, String(error));
    return undefined;
  }
}

/** pprof-format does not know the wire types of fixed size, which unknown fields may have. */
function isReadByPeer(file: Uint8Array): boolean {
  try {
    return pprofMeaning(file).length > 0;
  } catch {
    return false;
  }
}

function assertSameMeaning(actual: Uint8Array, expected: Uint8Array, seed: number): void {
  const [got, want] = [pprofMeaning(actual), pprofMeaning(expected)];
  const at = got.findIndex((line, i) => line !== want[i]);
  if (at >= 0 || got.length !== want.length) assert.equal(got[at], want[at], `seed ${seed}, line ${at}`);
  assert.equal(got.length, want.length, `seed ${seed}`);
}

describe('pprof codec and pprof-format', () => {
  it('agree on what random files say, before and after decode and encode', () => {
    for (let seed = 0; seed < 150; seed++) {
      const file = randomPprof(new Random(seed));
      const batch = decodePprof(file);
      const again = encodeWhole(batch);
      assertSameMeaning(again, file, seed);
      assert.equal(meaningDifference(decodePprof(again), batch), undefined, `seed ${seed}`);
    }
  });

  it('agree on damaged files that are accepted', () => {
    let accepted = 0;
    for (let seed = 0; seed < 2_000; seed++) {
      const random = new Random(seed);
      const file = Buffer.from(randomPprof(new Random(seed % 100)));
      for (let i = 0; i <= random.below(3); i++) file[random.below(file.length)] = random.below(256);
      const batch = decoded(file);
      if (batch === undefined || batch.resources.length === 0 || !isReadByPeer(file)) continue;
      accepted++;
      assertSameMeaning(encodeWhole(batch), file, seed);
    }
    assert.ok(accepted > 200, `only ${accepted} were accepted`);
  });

  it('refuses files that end too early', () => {
    const file = randomPprof(new Random(5));
    const whole = pprofMeaning(file);
    for (let length = 0; length < file.length; length++) {
      const batch = decoded(file.subarray(0, length));
      if (batch !== undefined && batch.resources.length > 0)
        assert.notDeepEqual(pprofMeaning(encodeWhole(batch)), whole);
    }
  });
});
