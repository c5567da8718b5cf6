// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { packageRoot } from '../../internal/package-root.ts';
import { Random } from '../../internal/testing/otlp-random.ts';
import { randomPprof } from '../../internal/testing/pprof-meaning.ts';
import { DecodeError } from '../../internal/wire-reader.ts';
import { codecsAddon } from '../../native/codecs-addon.ts';
import { meaningDifference } from '../../pdata/canonical.ts';
import { ProfilesBatch } from '../../pdata/profiles-batch.ts';
import { decodeOtlp } from '../otlp/decode.ts';
import { encodeOtlp } from '../otlp/encode.ts';
import { batchOfSeries } from '../pyroscope/series.ts';
import { decodePprofAsOtlp } from './decode-as-otlp.ts';
import { decodePprof } from './decode.ts';
import { deferPprof } from './defer.ts';

const GOLDEN = join(packageRoot(), 'test', 'golden', 'pprof');
const golden = readdirSync(GOLDEN)
  .filter((name) => name.endsWith('.pb.gz'))
  .map((name) => ({ name, file: gunzipSync(readFileSync(join(GOLDEN, name))) }));

const refusal = (decode: () => unknown): string => {
  try {
    decode();
  } catch (error) {
    if (error instanceof DecodeError) return error.message;
    throw error;
  }
  throw new Error('taken');
};

describe('pprof that is written as OTLP', { skip: codecsAddon() === undefined && 'no addon' }, () => {
  it('means the same as the file, of real files', () => {
    assert.ok(golden.length > 5);
    for (const { name, file } of golden) {
      const otlp = codecsAddon()?.pprofToOtlp(file);
      assert.ok(otlp !== undefined, name);
      assert.equal(meaningDifference(decodeOtlp(otlp), decodePprof(file)), undefined, name);
    }
  });

  it('means the same where every field is used, or is left to TypeScript', () => {
    let taken = 0;
    for (let seed = 0; seed < 1_000; seed++) {
      const file = randomPprof(new Random(seed));
      if (codecsAddon()?.pprofToOtlp(file) !== undefined) taken++;
      assert.equal(meaningDifference(decodePprofAsOtlp(file), decodePprof(file)), undefined, `seed ${seed}`);
    }
    // The others have ids all over 64 bits, or labels of a sample that share a key.
    assert.ok(taken > 100, `${taken}`);
  });

  it('is what goes out of a file that nobody has looked into, with the labels of its series', () => {
    for (const { name, file } of golden) {
      const labels = new Map([['service_name', 'shop']]);
      const sent = encodeOtlp(batchOfSeries(labels, deferPprof(file, file)), { revision: '1.10' });
      const want = batchOfSeries(labels, decodePprof(file));
      assert.equal(meaningDifference(decodeOtlp(sent), want), undefined, name);
    }
  });

  it('is asked for by whoever writes OTLP, and by nobody else', () => {
    const asked: boolean[] = [];
    const deferred = (): ProfilesBatch =>
      new ProfilesBatch({
        counts: { profiles: 1, samples: 1, events: 1 },
        heldBytes: 1,
        make(forOtlp) {
          asked.push(forOtlp);
          return decodePprof(golden[0]?.file ?? new Uint8Array(0));
        },
      });
    encodeOtlp(deferred(), { revision: '1.10' });
    encodeOtlp(batchOfSeries(new Map([['a', 'b']]), deferred()), { revision: '1.10' });
    void deferred().resources;
    void batchOfSeries(new Map([['a', 'b']]), deferred()).dictionary;
    assert.deepEqual(asked, [true, true, false, false]);
  });

  it('is refused as pprof is, and as pprof', () => {
    const { file } = golden[0] ?? assert.fail();
    const cut = file.subarray(0, file.length >> 1);
    for (const bad of [cut, Buffer.from('<html></html>')]) {
      const why = refusal(() => decodePprof(bad));
      assert.equal(
        refusal(() => decodePprofAsOtlp(bad)),
        why,
      );
    }
    assert.throws(() => decodePprofAsOtlp(file, { maxBytes: file.length - 1 }), /larger than/);
  });
});
