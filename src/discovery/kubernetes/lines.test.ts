// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readLines } from './lines.ts';

async function lines(maxBytes: number, ...chunks: (string | Buffer)[]): Promise<string[]> {
  async function* stream(): AsyncGenerator<Buffer> {
    for (const chunk of chunks) yield Buffer.from(chunk);
  }
  const out: string[] = [];
  for await (const line of readLines(stream(), maxBytes)) out.push(line);
  return out;
}

test('lines are put together from any pieces, also within a character', async () => {
  const bytes = Buffer.from('a\nmü\n\nlast-without-end');
  assert.deepEqual(await lines(100, bytes.subarray(0, 4), bytes.subarray(4, 5), bytes.subarray(5)), [
    'a',
    'mü',
  ]);
});

test('many lines in one piece', async () => {
  assert.deepEqual(await lines(100, '1\n2\r\n3\n'), ['1', '2', '3']);
});

test('a line that does not end is refused', async () => {
  await assert.rejects(lines(10, '123456', '789012'), { message: 'event is larger than 10 bytes' });
});
