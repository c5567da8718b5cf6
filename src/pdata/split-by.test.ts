// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { encodeOtlp } from '../codecs/otlp/encode.ts';
import { getText } from './attributes.ts';
import { meaningDifference } from './canonical.ts';
import { batchFromFolded, toFolded } from './folded.ts';
import { mergeBatches } from './merge.ts';
import { splitByResource, splitBySize } from './split-by.ts';

const sizeOf = (batch: Parameters<typeof encodeOtlp>[0]): number =>
  encodeOtlp(batch, { revision: '1.10' }).length;

/** `n` stacks of eight frames, some of them shared. */
const deep = (n: number): string =>
  Array.from({ length: n }, (_, i) =>
    ['main', ...Array.from({ length: 7 }, (_x, k) => `frame_${(i * (k + 1)) % 211}`)].join(';').concat(' 1'),
  ).join('\n');

describe('splitting by bytes', () => {
  it('fills parts well and exceeds the size with none', () => {
    const whole = batchFromFolded(deep(2_000), { attributes: { 'service.name': 'shop' } });
    const maxBytes = 12_000;
    const parts = splitBySize(whole, maxBytes);
    const sizes = parts.map((part) => sizeOf(part.batch));
    assert.ok(parts.every((part) => part.fits));
    assert.ok(Math.max(...sizes) <= maxBytes, String(sizes));
    assert.ok(Math.min(...sizes.slice(0, -1)) > maxBytes * 0.75, String(sizes));
    assert.equal(meaningDifference(mergeBatches(parts.map((part) => part.batch)), whole), undefined);
  });

  it('gives a sample that is too large alone and says so', () => {
    const name = 'x'.repeat(3_000);
    const parts = splitBySize(batchFromFolded(`a 1\nb 2\n${name} 3\nc 4`), 1_000);
    assert.deepEqual(
      parts.map((part) => [part.fits, part.batch.sampleCount]),
      [
        [true, 2],
        [false, 1],
        [true, 1],
      ],
    );
    assert.equal(toFolded(parts[1]?.batch ?? assert.fail()), `${name} 3`);
  });
});

describe('splitting by resource', () => {
  const of = (service: string, text: string) =>
    batchFromFolded(text, { attributes: { 'service.name': service } });

  it('gives each key its resources, with the rows they use alone', () => {
    const batch = mergeBatches([of('shop', 'a 1'), of('bank', 'b 2'), of('shop', 'c 3')]);
    const parts = splitByResource(batch, (rp) => getText(rp.resource.attributes, 'service.name') ?? '');
    assert.deepEqual([...parts.keys()], ['shop', 'bank']);
    assert.equal(toFolded(parts.get('shop') ?? assert.fail()), 'a 1\nc 3');
    assert.equal(toFolded(parts.get('bank') ?? assert.fail()), 'b 2');
    assert.equal(parts.get('bank')?.dictionary.tables.stacks.length, 2);
  });

  it('gives the batch itself where there is one key', () => {
    const batch = of('shop', 'a 1');
    assert.equal(splitByResource(batch, () => 'all').get('all'), batch);
  });
});
