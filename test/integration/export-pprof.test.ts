// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { needGo } from '../go.ts';
import { after, describe, it } from 'node:test';
import { decodeOtlp } from '../../src/codecs/otlp/decode.ts';
import { decodePprof } from '../../src/codecs/pprof/decode.ts';
import { encodePprof } from '../../src/codecs/pprof/encode.ts';
import { batchFromFolded, profileToFolded } from '../../src/pdata/folded.ts';
import { weightOf } from '../../src/pdata/profiles-batch.ts';
import { capturedRequests } from './otlp-samples.ts';

const folder = mkdtempSync(join(tmpdir(), 'pprof-'));
after(() => rmSync(folder, { recursive: true }));

function goPprof(file: Uint8Array, ...flags: string[]): string {
  const path = join(folder, 'profile.pb');
  writeFileSync(path, file);
  const env = { ...process.env, PPROF_BINARY_PATH: folder, PPROF_TMPDIR: folder };
  return execFileSync(needGo(), ['tool', 'pprof', '-symbolize=none', ...flags, path], {
    encoding: 'utf8',
    env,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
}

describe('pprof files and the pprof tool of Go', () => {
  it('agree on names and totals', () => {
    const batch = batchFromFolded('main;work;malloc 30\nmain;idle 10\nmain;work 5');
    const [found] = [...batch.profiles()];
    assert.ok(found);
    const top = goPprof(encodePprof(batch.dictionary, [found.profile]), '-top');
    assert.match(top, /Showing nodes accounting for 45, 100% of 45 total/);
    assert.match(top, /30 66\.67% 66\.67%\s+30 66\.67%\s+malloc/);
    assert.match(top, /5 11\.11%.*\s+35 77\.78%\s+work/);
    assert.match(
      goPprof(encodePprof(batch.dictionary, [found.profile]), '-raw'),
      /PeriodType: cpu nanoseconds\nPeriod: 10000000/,
    );
  });

  it('agree on captured profiles of real producers', () => {
    const captured = capturedRequests().slice(0, 2);
    for (const { bytes } of captured) {
      const batch = decodeOtlp(bytes);
      const largest = [...batch.profiles()]
        .map((f) => f.profile)
        .toSorted((a, b) => b.samples.length - a.samples.length)[0];
      assert.ok(largest);
      const file = encodePprof(batch.dictionary, [largest]);
      const total = Array.from({ length: largest.samples.length }, (_, i) =>
        weightOf(largest.samples, i),
      ).reduce((a, b) => a + b, 0n);
      const values = [...goPprof(file, '-raw').matchAll(/^ +(\d+): [\d ]+$/gm)].reduce(
        (sum, m) => sum + BigInt(m[1] ?? 0),
        0n,
      );
      assert.equal(values, total);
      const back = decodePprof(file);
      const [again] = [...back.profiles()];
      assert.ok(again);
      assert.equal(
        profileToFolded(back.dictionary, again.profile),
        profileToFolded(batch.dictionary, largest),
      );
    }
  });
});
