// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { listAt } from '../../pdata/tables.ts';
import { decodeJfr } from './decode.ts';
import { FrameCache } from './frame-cache.ts';
import { RecordingMaker } from './testing/recording-maker.ts';

describe('the cache of frames', () => {
  it('knows a frame or does not, but never takes it for another', () => {
    const cache = new FrameCache(10);
    let known = 0;
    for (let method = 1; method < 100; method++) {
      for (let line = -1; line < 10; line++) {
        for (let kind = 0; kind < 3; kind++) {
          const location = method * 100 + line * 3 + kind + 10;
          const found = cache.find(method, line, kind);
          assert.equal(found, 0, 'nobody kept it');
          cache.keep(method, line, kind, location);
          assert.equal(cache.find(method, line, kind), location);
          for (const [m, l, k] of [
            [method - 1, line, kind],
            [method, line - 1, kind],
            [method, line, kind - 1],
          ] as const) {
            const other = cache.find(m, l, k);
            if (other !== 0) assert.equal(other, m * 100 + l * 3 + k + 10);
            known += other === 0 ? 0 : 1;
          }
        }
      }
    }
    assert.ok(known > 1_000, 'it does remember');
  });

  it('is not seen in what a recording becomes, whether frames fit into it or not', () => {
    const maker = new RecordingMaker();
    const stacks = Array.from({ length: 2_000 }, (_, i) => {
      const kind = ['', '[n]', '[k]'][i % 3] ?? '';
      const inner = kind === '' ? `a/C.run${i % 50}:${i % 40}` : `${kind}lib.f${i % 50}`;
      return `app/Main.main:${i};${inner}`;
    });
    for (const stack of [...stacks, ...stacks])
      maker.add('jdk.ExecutionSample', { stack, state: 'STATE_RUNNABLE' });
    const [{ batch } = assert.fail()] = decodeJfr(maker.chunk());
    const { stacks: rows, locations, functions, attributes } = batch.dictionary.tables;
    const [{ profile } = assert.fail()] = [...batch.profiles()];
    const seen = Array.from(profile.samples.stack, (stack) =>
      [...listAt(rows.locations, stack)]
        .map((location) => {
          const line = locations.lineStart[location] ?? 0;
          const name = batch.dictionary.text(functions.name[locations.lineFunction[line] ?? 0] ?? 0);
          const [attribute = 0] = listAt(locations.attributes, location);
          assert.ok(attribute < attributes.length);
          const kind = batch.dictionary.attributeValue(attribute);
          const number = locations.lineLine[line] ?? 0n;
          return `${kind.kind === 'string' ? kind.value : ''} ${name} ${number}`;
        })
        .join(),
    );
    const expected = stacks.map((_, i) => {
      const kind = ['jvm', 'native', 'kernel'][i % 3];
      const inner = {
        jvm: `a/C.run${i % 50} ${i % 40}`,
        native: `lib.f${i % 50} 0`,
        kernel: `lib.f${i % 50} 0`,
      };
      return `${kind} ${inner[kind as keyof typeof inner]},jvm app/Main.main ${i}`;
    });
    assert.deepEqual(new Set(seen), new Set(expected));
    assert.equal(seen.length, new Set(expected).size);
  });
});
