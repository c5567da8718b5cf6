// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { decodeOtlp } from '../../src/codecs/otlp/decode.ts';
import { decodeOtlpJson, encodeOtlpJson } from '../../src/codecs/otlp/json.ts';
import type { Random } from '../../src/internal/testing/otlp-random.ts';
import { materialize } from '../../src/pdata/profiles-batch.ts';
import { assertEncodes, assertSame, otlpSeed } from './otlp.ts';
import { type FuzzTarget, type Outcome, unlessRefused } from './target.ts';

/** JSON of a batch as we write it, or spread out and with its keys as proto spells them. */
function jsonSeed(random: Random): Uint8Array {
  const batch = unlessRefused(() => decodeOtlp(otlpSeed(random)));
  const text = batch === undefined ? '{}' : Buffer.from(encodeOtlpJson(batch)).toString();
  switch (random.below(4)) {
    case 0:
      return Buffer.from(JSON.stringify(JSON.parse(text), undefined, 1));
    case 1:
      return Buffer.from(text.replace(/"[a-zA-Z]+":/g, (key) => key.replace(/[A-Z]/g, '_$&').toLowerCase()));
    default:
      return Buffer.from(text);
  }
}

/**
 * Any bytes are a batch or DecodeError. What is accepted is JSON to JSON.parse as well, and means the same
 * when it was written as JSON or protobuf and read again.
 */
export const jsonTarget: FuzzTarget = {
  name: 'json',
  seed: jsonSeed,
  run(input): Outcome {
    const batch = unlessRefused(() => decodeOtlpJson(input));
    if (batch === undefined) return 'refused';
    JSON.parse(Buffer.from(input).toString());
    materialize(batch);
    const written = encodeOtlpJson(batch);
    const again = decodeOtlpJson(written);
    assertSame(again, batch, 'written as JSON');
    assert.deepEqual(Buffer.from(encodeOtlpJson(again)), Buffer.from(written));
    assertEncodes(batch, 'from JSON');
    return 'accepted';
  },
};
