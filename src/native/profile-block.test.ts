// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { DecodeError } from '../internal/wire-reader.ts';
import { readProfileBlock } from './profile-block.ts';
import { drawBlock, drawSections, writeSections } from './testing/block-writer.ts';

const SAMPLES = [
  {
    pid: 7,
    frames: ['leaf', 'main'],
    times: [1_500n, 1_600n],
    env: { TEAM: 'a' },
    container: 'c'.repeat(64),
  },
  { pid: 9, name: 'other', frames: ['main'], times: [1_700n] },
];

describe('reading a profile block', () => {
  it('gives the columns of every table', () => {
    const block = readProfileBlock(drawBlock(SAMPLES, [1_000n, 2_000n]));
    assert.equal(block.windowEndNs, 2_000n);
    assert.deepEqual([...block.processes.pid], [7, 9]);
    assert.deepEqual([...block.samples.timeNs], [1_500n, 1_600n, 1_700n]);
    assert.equal(block.stacks.length, 3);
    assert.equal(block.processes.envKey.length, 1);
  });

  it('refuses a block cut at any length, and never reads past it', () => {
    const whole = drawBlock(SAMPLES);
    for (let n = 0; n < whole.byteLength; n++) {
      assert.throws(() => readProfileBlock(whole.slice(0, n)), Error, `cut at ${n}`);
    }
  });

  it('refuses another magic, version or size', () => {
    for (const offset of [0, 4, 8]) {
      const block = drawBlock(SAMPLES);
      new DataView(block).setUint32(offset, 99, true);
      assert.throws(() => readProfileBlock(block), DecodeError);
    }
  });

  const rowColumns = [11, 12, 13, 15, 16, 23, 24, 25, 26, 30, 31, 32, 40, 44, 51, 60, 62, 65, 75];
  for (const id of rowColumns) {
    it(`refuses a row out of range in section ${id}`, () => {
      const sections = drawSections(SAMPLES);
      const column = sections.get(id);
      assert.ok(column instanceof Int32Array || column instanceof Uint32Array);
      column[column.length - 1] = 1_000_000;
      assert.throws(() => readProfileBlock(writeSections(sections)), /out of range/);
    });
  }

  it('refuses a span that is cut', () => {
    const sections = drawSections([{ pid: 7, frames: ['f'], times: [1n], span: 'ab'.repeat(24) }]);
    sections.set(76, Uint8Array.from(sections.get(76)?.subarray(0, 47) ?? [], Number));
    assert.throws(() => readProfileBlock(writeSections(sections)), /span_contexts/);
  });

  for (const id of [1, 14, 43, 50, 67]) {
    it(`refuses ranges that do not add up in section ${id}`, () => {
      const sections = drawSections(SAMPLES);
      const column = sections.get(id) as Uint32Array;
      column[column.length - 1] = (column[column.length - 1] ?? 0) + 1;
      assert.throws(() => readProfileBlock(writeSections(sections)), DecodeError);
    });
  }
});
