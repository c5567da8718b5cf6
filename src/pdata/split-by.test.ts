// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { decodeOtlp } from '../codecs/otlp/decode.ts';
import { encodeOtlp } from '../codecs/otlp/encode.ts';
import { ReverseWriter } from '../internal/wire-writer.ts';
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

/** A message as field `field`. */
function message(field: number, ...contents: readonly Uint8Array[]): Uint8Array {
  const w = new ReverseWriter();
  w.bytesField(field, Buffer.concat(contents));
  return w.finish();
}

describe('splitting by bytes what came with unknown fields', () => {
  it('counts them where they are sent on', () => {
    const unknown = message(15, Buffer.alloc(90, 0x55));
    const entry = message(1, message(1, Buffer.from('k')), message(2, message(1, Buffer.from('v'))), unknown);
    const plain = encodeOtlp(batchFromFolded('a 1\nb 2'), { revision: '1.10' });
    const sample = message(2, Uint8Array.of(0x22, 1, 7));
    const more = message(1, message(1, entry), message(2, message(2, sample)));
    const batch = decodeOtlp(Buffer.concat([plain, more]));
    for (let maxBytes = 100; maxBytes < 500; maxBytes++) {
      const parts = splitBySize(batch, maxBytes);
      const bytes = parts.map((part) => Buffer.from(encodeOtlp(part.batch, { revision: '1.10' })));
      assert.ok(bytes.some((part) => part.includes(Buffer.from(unknown))));
      parts.forEach(({ fits }, i) => assert.ok(!fits || (bytes[i]?.length ?? 0) <= maxBytes, `${maxBytes}`));
    }
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
