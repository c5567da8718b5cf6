// SPDX-License-Identifier: Apache-2.0
import { bareBatch } from '../../src/internal/testing/bare-batch.ts';
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { decodeOtlp, decodeOtlpDetailed } from '../../src/codecs/otlp/decode.ts';
import { encodeOtlp } from '../../src/codecs/otlp/encode.ts';
import { decodeOtlpJson, encodeOtlpJson } from '../../src/codecs/otlp/json.ts';
import { otlpMeaning, otlpRequestType } from '../../src/internal/testing/otlp-proto.ts';
import { toFolded } from '../../src/pdata/folded.ts';
import { mergeBatches } from '../../src/pdata/merge.ts';
import { capturedRequests } from './otlp-samples.ts';

const captured = capturedRequests();

describe('captured OTLP requests', () => {
  it(`are there to be read: ${captured.length}`, () => {
    for (const { name, bytes, revision } of captured) {
      const decoded = decodeOtlpDetailed(bytes);
      assert.equal(decoded.revision, revision, name);
      assert.ok(decoded.batch.sampleCount > 0, name);
    }
  });

  for (const { name, bytes, revision } of captured) {
    it(`${name}: columns say what protobufjs says`, () => {
      const written = encodeOtlp(bareBatch(decodeOtlp(bytes)), { revision: '1.10' });
      assert.equal(
        otlpMeaning(otlpRequestType('1.10'), written),
        otlpMeaning(otlpRequestType(revision), bytes),
      );
    });

    it(`${name}: stacks and weights survive protobuf, JSON and a merge`, () => {
      const batch = decodeOtlp(bytes);
      const folded = toFolded(batch);
      for (const target of ['1.9', '1.10'] as const) {
        assert.equal(toFolded(decodeOtlp(encodeOtlp(batch, { revision: target }))), folded);
        assert.equal(toFolded(decodeOtlp(encodeOtlp(bareBatch(batch), { revision: target }))), folded);
      }
      assert.equal(toFolded(decodeOtlpJson(encodeOtlpJson(batch))), folded);
      const merged = mergeBatches([batch, batch]);
      assert.equal(toFolded(decodeOtlp(encodeOtlp(merged, { revision: '1.10' }))), `${folded}\n${folded}`);
    });

    it(`${name}: an untouched request of a current revision leaves as it came`, () => {
      const spliced = encodeOtlp(decodeOtlp(bytes), { revision: '1.10' });
      if (revision === '1.10') assert.ok(bytes.equals(spliced));
      else assert.ok(Buffer.from(encodeOtlp(decodeOtlp(spliced), { revision: '1.10' })).equals(spliced));
    });
  }
});
