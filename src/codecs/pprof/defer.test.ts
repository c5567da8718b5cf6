// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { gunzipSync, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { packageRoot } from '../../internal/package-root.ts';
import { DecodeError } from '../../internal/wire-reader.ts';
import { codecsAddon } from '../../native/codecs-addon.ts';
import { batchFromFolded, toFolded } from '../../pdata/folded.ts';
import type { ProfilesBatch } from '../../pdata/profiles-batch.ts';
import { deferPprof, PprofDeferral } from './defer.ts';
import { encodePprof } from './encode.ts';

const before = batchFromFolded('main;a 3\nmain;b 1');
const profiles = [...before.profiles()].map(({ profile }) => profile);
const raw = encodePprof(before.dictionary, profiles);

describe('a pprof file that is decoded when somebody looks', () => {
  for (const [name, file] of [
    ['gzipped', gzipSync(raw)],
    ['not compressed', raw],
  ] as const) {
    it(`tells what is in it and is what it was, ${name}`, () => {
      const batch = deferPprof(file, raw);
      assert.deepEqual([batch.profileCount, batch.sampleCount, batch.deferredBytes], [1, 2, file.length]);
      assert.equal(toFolded(batch), 'main;a 3\nmain;b 1');
      assert.deepEqual([batch.profileCount, batch.sampleCount, batch.deferredBytes], [1, 2, undefined]);
    });
  }

  it('is refused at once where it is none', () => {
    const bad: [string, Uint8Array][] = [
      ['a page', Buffer.from('<!DOCTYPE html><html></html>')],
      ['JSON', Buffer.from('{"error":"no"}')],
      ['nothing', new Uint8Array(0)],
      ['a cut file', raw.subarray(0, raw.length - 3)],
    ];
    for (const [name, file] of bad) assert.throws(() => deferPprof(file, file), DecodeError, name);
  });

  it('fails whoever looks into one whose references lead nowhere', () => {
    // A sample of location 99, which is not there.
    const broken = Buffer.concat([raw, Buffer.from([0x12, 0x05, 0x0a, 0x01, 99, 0x10, 1])]);
    const batch = deferPprof(broken, broken);
    assert.equal(batch.sampleCount, 3);
    assert.throws(() => batch.resources, DecodeError);
    assert.throws(() => batch.dictionary, DecodeError);
  });
});

const countsOf = ({ profileCount, sampleCount, eventCount, deferredBytes }: ProfilesBatch) => ({
  profileCount,
  sampleCount,
  eventCount,
  deferredBytes,
});
const GOLDEN = join(packageRoot(), 'test', 'golden', 'pprof');
const golden = readdirSync(GOLDEN)
  .filter((name) => name.endsWith('.pb.gz'))
  .map((name) => readFileSync(join(GOLDEN, name)));
const NO_LIMIT = 1 << 30;

describe('a way of pprof files into a pipeline', { skip: codecsAddon() === undefined && 'no addon' }, () => {
  it('keeps nothing but the file, of real files, until somebody looks', async () => {
    assert.ok(golden.length > 5);
    for (const file of golden) {
      const seen = await new PprofDeferral().lookOver(file, NO_LIMIT);
      const inflated = gunzipSync(file);
      assert.ok(seen !== undefined);
      assert.equal(seen.plainBytes, inflated.length);
      const expected = deferPprof(file, inflated);
      assert.deepEqual(countsOf(seen.batch), countsOf(expected));
      assert.equal(toFolded(seen.batch), toFolded(expected));
    }
  });

  it('inflates for good once somebody has looked', async () => {
    const file = gzipSync(raw);
    for (const way of ['lookOver', 'defer'] as const) {
      const deferral = new PprofDeferral();
      const first =
        way === 'defer' ? deferral.defer(file, raw) : (await deferral.lookOver(file, NO_LIMIT))?.batch;
      assert.ok((await deferral.lookOver(file, NO_LIMIT)) !== undefined);
      assert.equal(first && toFolded(first), 'main;a 3\nmain;b 1');
      assert.equal(await deferral.lookOver(file, NO_LIMIT), undefined);
    }
  });

  it('leaves what is not gzipped, too large or without strings to others', async () => {
    const deferral = new PprofDeferral();
    const bomb = gzipSync(
      Buffer.concat([raw, Buffer.from([0x32, 0x80, 0x80, 0x80, 2]), Buffer.alloc(4 << 20)]),
    );
    assert.equal(await deferral.lookOver(raw, NO_LIMIT), undefined);
    assert.equal(await deferral.lookOver(gzipSync(raw), raw.length - 1), undefined);
    assert.equal(await deferral.lookOver(bomb, NO_LIMIT), undefined, 'more than 512 times its size');
    assert.equal(await deferral.lookOver(gzipSync(Buffer.from([0x12, 0])), NO_LIMIT), undefined);
  });

  it('accepts no more than the reader in TypeScript, and counts the same', async () => {
    const edits = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 });
    const sources = [raw, ...golden.map((file) => gunzipSync(file)).filter(({ length }) => length < 20_000)];
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...sources),
        edits,
        fc.boolean(),
        async (source, changes, nearStart) => {
          const bytes = Buffer.from(source);
          for (const [at, value] of changes) bytes[at % (nearStart ? 64 : bytes.length)] = value;
          const file = gzipSync(bytes);
          const seen = await new PprofDeferral().lookOver(file, NO_LIMIT);
          if (seen !== undefined) assert.deepEqual(countsOf(seen.batch), countsOf(deferPprof(file, bytes)));
        },
      ),
      { numRuns: 500 },
    );
  });
});
