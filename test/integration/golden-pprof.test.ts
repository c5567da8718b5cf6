// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { needGo } from '../go.ts';
import { after, describe, it } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { encodePprof, type EncodePprofOptions } from '../../src/codecs/pprof/encode.ts';
import { noLosses } from '../../src/codecs/pprof/losses.ts';
import { mergePprof } from '../../src/codecs/pprof/merge.ts';
import { readPprof } from '../../src/codecs/pprof/read.ts';
import { packageRoot } from '../../src/internal/package-root.ts';
import { pprofMeaning } from '../../src/internal/testing/pprof-meaning.ts';
import { meaningDifference } from '../../src/pdata/canonical.ts';
import type { ProfilesBatch } from '../../src/pdata/profiles-batch.ts';

const GOLDEN = join(packageRoot(), 'test', 'golden', 'pprof');
const files = readdirSync(GOLDEN).filter((name) => name.endsWith('.pb.gz'));
const folder = mkdtempSync(join(tmpdir(), 'golden-pprof-'));
after(() => rmSync(folder, { recursive: true }));

const golden = (name: string): Buffer => readFileSync(join(GOLDEN, name));

function goPprof(flags: readonly string[], ...inputs: readonly Uint8Array[]): string {
  const paths = inputs.map((_, i) => join(folder, `${i}.pb`));
  inputs.forEach((bytes, i) => writeFileSync(paths[i] ?? '', bytes));
  const env = { ...process.env, PPROF_BINARY_PATH: folder, PPROF_TMPDIR: folder };
  return execFileSync(needGo(), ['tool', 'pprof', '-symbolize=none', ...flags, ...paths], {
    encoding: 'utf8',
    env,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
}

function encodeWhole(batch: ProfilesBatch, options: EncodePprofOptions = {}): Uint8Array {
  const [scope] = batch.resources.flatMap((rp) => rp.scopes);
  assert.ok(scope);
  const scopeAttributes = scope.scope.attributes;
  return encodePprof(batch.dictionary, scope.profiles, {
    synthesizeNames: false,
    scopeAttributes,
    ...options,
  });
}

describe('pprof files of real producers', () => {
  it('are there', () => {
    for (const name of ['go-cpu', 'go-heap', 'datadog-wall', 'pyroscope-wall'])
      assert.ok(files.includes(`${name}.pb.gz`), name);
  });

  for (const name of files) {
    it(`${name} comes out of decode and encode as it went in`, async () => {
      const original = golden(name);
      const batch = await readPprof(original);
      const losses = noLosses();
      const again = encodeWhole(batch, { keepUnreferenced: true, losses });
      assert.deepEqual(losses, noLosses());
      assert.deepEqual(pprofMeaning(again), pprofMeaning(gunzipSync(original)));
      assert.equal(meaningDifference(await readPprof(again), batch), undefined);
      assert.equal(goPprof(['-raw'], again), goPprof(['-raw'], original));
    });
  }

  it('lose only what no sample references where that is not asked for', async () => {
    for (const name of files) {
      const batch = await readPprof(golden(name));
      assert.equal(meaningDifference(await readPprof(encodeWhole(batch)), batch), undefined, name);
    }
  });
});

/** The pprof tool gives locations without mapping an empty one. */
const NO_MAPPING = '"mapping":["0","0","0","","",false,false,false,false],';

/** Samples as they are when those with zeros alone are left out, which google/pprof's merge does. */
const samplesOf = (file: Uint8Array): string[] =>
  pprofMeaning(file)
    .filter((line) => line.startsWith('sample'))
    .filter((line) => !/,\["0"(,"0")*\],\[/.test(line))
    .map((line) => line.replaceAll(NO_MAPPING, ''))
    .sort();

describe('merging pprof files', () => {
  for (const [first, second] of [
    ['go-cpu.pb.gz', 'go-cpu.pb.gz'],
    ['go-heap.pb.gz', 'go-allocs.pb.gz'],
    ['go-mutex.pb.gz', 'go-block.pb.gz'],
    ['datadog-wall.pb.gz', 'datadog-wall.pb.gz'],
  ] as const) {
    it(`gives what the pprof tool of Go gives for ${first} and ${second}`, async () => {
      const ours = mergePprof([await readPprof(golden(first)), await readPprof(golden(second))]);
      const path = join(folder, 'merged.pb.gz');
      goPprof(['-proto', `-output=${path}`], golden(first), golden(second));
      assert.deepEqual(samplesOf(encodeWhole(ours)), samplesOf(gunzipSync(readFileSync(path))));
    });
  }
});
