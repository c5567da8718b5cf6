// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { type DecodedOtlp, decodeOtlp, decodeOtlpDetailed } from '../../src/codecs/otlp/decode.ts';
import { encodeOtlp } from '../../src/codecs/otlp/encode.ts';
import { decodeOtlpJson, encodeOtlpJson } from '../../src/codecs/otlp/json.ts';
import { otlpFunctions, typescriptFunctions } from '../../src/codecs/otlp/scan.ts';
import { bareBatch } from '../../src/internal/testing/bare-batch.ts';
import { type Random, randomOtlpRequest } from '../../src/internal/testing/otlp-random.ts';
import { randomOtlpWire } from '../../src/internal/testing/otlp-wire-random.ts';
import { DecodeError } from '../../src/internal/wire-reader.ts';
import { meaningDifference } from '../../src/pdata/canonical.ts';
import { dumpBatch } from '../../src/pdata/dump.ts';
import { materialize, type ProfilesBatch, withSamples } from '../../src/pdata/profiles-batch.ts';
import { capturedRequests } from '../integration/otlp-samples.ts';
import { pick } from './mutate.ts';
import { requestType, resolvedMeaning } from './otlp-meaning.ts';
import type { FuzzTarget, Outcome } from './target.ts';

const REVISIONS = ['1.8', '1.9', '1.10'] as const;

/** A valid request of any revision: every field, as an encoder writes it; or as none does. */
export function otlpSeed(random: Random): Uint8Array {
  if (random.below(3) > 0) {
    const revision = pick(random, REVISIONS);
    const type = requestType(revision);
    return type.encode(type.fromObject(randomOtlpRequest(random, revision === '1.10'))).finish();
  }
  const { dictionary, profiles } = randomOtlpWire(random, random.below(4) === 0 ? 400 : undefined);
  const length: number[] = [];
  let rest = dictionary.length;
  for (; rest > 127; rest >>>= 7) length.push((rest & 127) | 128);
  const field = Buffer.concat([Buffer.of(0x12, ...length, rest), dictionary]);
  return new Uint8Array(Buffer.concat(random.below(2) === 0 ? [field, profiles] : [profiles, field]));
}

/** Requests of real producers that are small enough for many executions. */
export const otlpCaptures = (): Uint8Array[] =>
  capturedRequests()
    .map(({ bytes }) => new Uint8Array(bytes))
    .filter((bytes) => bytes.length < 40_000);

/** That two batches mean the same. */
export function assertSame(actual: ProfilesBatch, expected: ProfilesBatch, what: string): void {
  const difference = meaningDifference(expected, actual, 3);
  if (difference !== undefined) assert.fail(`${what}: ${difference.slice(0, 2_000)}`);
}

/** That a batch means the same when it was written in both revisions and read again. */
export function assertEncodes(batch: ProfilesBatch, what: string): void {
  for (const revision of ['1.10', '1.9'] as const) {
    const written = encodeOtlp(batch, { revision });
    assertSame(decodeOtlp(written), batch, `${what}, written as ${revision}`);
  }
}

/**
 * Any bytes are a batch or DecodeError, and the same to both implementations of the scan. A batch can be read
 * to the last column, counts what it says, survives writing in both revisions, from its bytes and from its
 * columns, and as JSON, and says what protobufjs says.
 */
export const otlpTarget: FuzzTarget = {
  name: 'otlp',
  seed: otlpSeed,
  captures: otlpCaptures,
  run(input): Outcome {
    const decoded = outcomeOf(() => decodeOtlpDetailed(input, otlpFunctions()));
    const reference = outcomeOf(() => decodeOtlpDetailed(input, typescriptFunctions));
    if (decoded instanceof DecodeError || reference instanceof DecodeError) {
      assert.equal(refusalOf(decoded), refusalOf(reference), 'the scans disagree');
      return 'refused';
    }
    assert.equal(decoded.revision, reference.revision);
    const { batch, revision } = decoded;
    const counts = [batch.profileCount, batch.sampleCount, batch.eventCount];
    dumpBatch(materialize(batch), { tables: true });
    const bare = bareBatch(batch);
    assert.deepEqual([bare.profileCount, bare.sampleCount, bare.eventCount], counts);
    assertSame(reference.batch, batch, 'columns of the reference');
    assertEncodes(batch, 'as it came');
    assertEncodes(bare, 'from columns');
    assertUnknown(batch);
    const json = encodeOtlpJson(batch);
    JSON.parse(Buffer.from(json).toString());
    assertSame(withoutUnknown(decodeOtlpJson(json)), withoutUnknown(batch), 'as JSON');
    if (revision !== '1.7') assertPeerAgrees(batch, revision, input);
    return 'accepted';
  },
};

const refusalOf = (outcome: DecodedOtlp | DecodeError): string =>
  outcome instanceof DecodeError ? outcome.message : 'accepted';

/** That protobufjs reads the same from the input and from all that we write. */
function assertPeerAgrees(batch: ProfilesBatch, revision: '1.8' | '1.9' | '1.10', input: Uint8Array): void {
  const expected = peerReads(batch, () => resolvedMeaning(revision, input));
  for (const of of [batch, bareBatch(batch)]) {
    for (const target of ['1.9', '1.10'] as const) {
      const read = peerReads(batch, () => resolvedMeaning(target, encodeOtlp(of, { revision: target })));
      if (expected !== undefined && read !== undefined) assert.equal(read, expected, 'protobufjs disagrees');
    }
  }
}

/**
 * What protobufjs reads. Undefined where it refuses for a reason of its own: tags and lengths in more bytes
 * than they need, and entity references, which are unknown fields to us.
 */
export function peerReads<T>(batch: ProfilesBatch, read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    if (/^invalid (tag|length) encoding$/.test(error.message)) return undefined;
    if (batch.resources.some((rp) => rp.resource.unknown.length > 0)) return undefined;
    throw error;
  }
}

/** What was decoded, or why it was refused; any other error is a finding. */
export function outcomeOf(decode: () => DecodedOtlp): DecodedOtlp | DecodeError {
  try {
    return decode();
  } catch (error) {
    if (error instanceof DecodeError) return error;
    throw error;
  }
}

/** A batch without the fields that have no name in JSON. */
function withoutUnknown(batch: ProfilesBatch): ProfilesBatch {
  const unknown = new Uint8Array(0);
  return bareBatch(batch).mapResources((rp) => ({
    schemaUrl: rp.schemaUrl,
    resource: { ...rp.resource, unknown },
    scopes: rp.scopes.map((sp) => ({
      schemaUrl: sp.schemaUrl,
      scope: { ...sp.scope, unknown },
      profiles: sp.profiles.map((p) => withSamples(p, p.samples, { unknown })),
    })),
  }));
}

/** Unknown fields of the request and the dictionary, which the meaning leaves out. */
function assertUnknown(batch: ProfilesBatch): void {
  const again = decodeOtlp(encodeOtlp(batch, { revision: '1.10' }));
  assert.deepEqual(Buffer.from(again.unknown), Buffer.from(batch.unknown));
  assert.deepEqual(Buffer.from(again.dictionary.unknown), Buffer.from(batch.dictionary.unknown));
}
