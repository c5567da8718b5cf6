// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { decodePprof } from '../../codecs/pprof/decode.ts';
import { batchFromFolded, toFolded } from '../../pdata/folded.ts';
import { download } from './download.ts';
import { buildFlame, type FlameDocument } from './flame.ts';
import { ingest } from './ingest.ts';
import { weighNodes } from './query.ts';
import { ProfileStore } from './store.ts';

const NOW = 1_700_000_000_000;
const RANGE = { fromMs: 0, untilMs: NOW + 1000 };

function storeOf(folded: string): ProfileStore {
  const store = new ProfileStore({ maxBytes: 32 << 20, retentionMs: 600_000 });
  const batch = batchFromFolded(folded, {
    periodType: ['', ''],
    timeUnixNano: BigInt(NOW) * 1_000_000n,
    durationNano: 0n,
  });
  for (const _ of ingest(store, batch, () => NOW)) continue;
  return store;
}

function flameOf(folded: string, maxNodes = 1000): FlameDocument {
  const store = storeOf(folded);
  return buildFlame(store.tree, weighNodes(store, RANGE), { ...RANGE, maxNodes });
}

/** The document as an indented list, as it is drawn. */
function drawn(doc: FlameDocument): string[] {
  return doc.tree.depth.map((depth, i) => {
    const name = doc.strings[doc.frames.name[doc.tree.frame[i] ?? 0] ?? 0];
    return `${'  '.repeat(depth)}${name} ${doc.tree.self[i]}`;
  });
}

describe('flame document', () => {
  it('merges stacks into a tree, siblings heaviest first', () => {
    const doc = flameOf('main;idle 1\nmain;work;malloc 3\nmain;work 2\nother 9');
    assert.deepEqual(drawn(doc), [
      'all 0',
      '  other 9',
      '  main 0',
      '    work 2',
      '      malloc 3',
      '    idle 1',
    ]);
    assert.equal(doc.total, 15);
    assert.deepEqual(doc.folded, { nodes: 0, weight: 0 });
  });

  it('folds the smallest frames beyond the cap, last among their siblings, and keeps their weight', () => {
    const doc = flameOf('main;big 100\nmain;small1 1\nmain;small2;deep 2\nmain;mid 50\nlone 1', 3);
    assert.deepEqual(drawn(doc), [
      'all 0',
      '  main 0',
      '    big 100',
      '    mid 50',
      '    (small) 3',
      '  (small) 1',
    ]);
    assert.equal(
      doc.tree.self.reduce((a, b) => a + b, 0),
      doc.total,
    );
    assert.deepEqual(doc.folded, { nodes: 4, weight: 4 });
  });

  it('keeps to the cap where many frames weigh the same', () => {
    const doc = flameOf(Array.from({ length: 50 }, (_, i) => `main;f${i} 1`).join('\n'), 10);
    assert.equal(doc.tree.depth.length, 1 + 10 + 1);
    assert.equal(
      doc.tree.self.reduce((a, b) => a + b, 0),
      50,
    );
  });

  it('is an empty root where nothing matches', () => {
    const store = storeOf('a 1');
    const doc = buildFlame(store.tree, weighNodes(store, { ...RANGE, service: 'none' }), {
      ...RANGE,
      maxNodes: 10,
    });
    assert.deepEqual(drawn(doc), ['all 0']);
  });
});

describe('downloads', () => {
  const folded = 'main;idle 1\nmain;work 2\nmain;work;malloc 3';
  const get = (format: string) => {
    const store = storeOf(folded);
    return download(format, store.tree, weighNodes(store, RANGE), { fromMs: NOW - 1000, untilMs: NOW });
  };

  it('writes the stacks as folded text', () => {
    assert.deepEqual(String(get('folded')?.body).trim().split('\n').sort(), folded.split('\n'));
  });

  it('writes pprof that reads back as the same stacks', () => {
    const body = get('pprof')?.body;
    assert.ok(body instanceof Uint8Array);
    assert.equal(toFolded(decodePprof(gunzipSync(body))), folded);
  });

  it('writes speedscope with weights that add up', () => {
    const file = JSON.parse(String(get('speedscope')?.body)) as {
      shared: { frames: { name: string }[] };
      profiles: { endValue: number; samples: number[][]; weights: number[] }[];
    };
    const [sampled] = file.profiles;
    assert.equal(sampled?.endValue, 6);
    const stacks = sampled?.samples.map(
      (stack, i) => `${stack.map((f) => file.shared.frames[f]?.name).join(';')} ${sampled.weights[i]}`,
    );
    assert.deepEqual(stacks?.sort(), folded.split('\n'));
  });

  it('knows no other format, whatever objects inherit', () => {
    assert.equal(get('svg'), undefined);
    assert.equal(get('toString'), undefined);
  });
});
