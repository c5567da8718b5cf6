// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { measureLoopDelay } from './loop-delay.ts';

test('the delay of the event loop shows what blocked it, once', async () => {
  const delay = measureLoopDelay();
  assert.equal(delay.takeP99(), 0);
  delay.start();
  const end = performance.now() + 400;
  while (performance.now() < end);
  // Its timer was due long ago.
  await new Promise((resolve) => setTimeout(resolve, 1));
  await new Promise(setImmediate);
  assert.ok(delay.takeP99() > 100e6);
  delay.stop();
  assert.equal(delay.takeP99(), 0);
});
