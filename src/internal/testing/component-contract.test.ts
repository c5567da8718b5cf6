// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { describe, it } from 'node:test';
import { promisify } from 'node:util';
import { FakeDistribution } from './fake-distribution.ts';
import { testComponentContract, testProcessorContract } from './component-contract.ts';

const { factories } = new FakeDistribution();
for (const factory of [...factories.receivers, ...factories.exporters, ...factories.extensions]) {
  testComponentContract(factory, {});
}
for (const factory of factories.processors) testProcessorContract(factory, {});

const run = promisify(execFile);

/** Names of the contract tests that a processor fails whose methods are these. */
async function failures(methods: string): Promise<string[]> {
  const program = `
    import { z } from 'zod';
    import { testProcessorContract } from ${JSON.stringify(new URL('./component-contract.ts', import.meta.url).href)};
    testProcessorContract({
      kind: 'processor', type: 'bad', stability: 'stable', schema: z.any(),
      create: (settings, config, next) => ({
        async start() {}, async shutdown() {},
        consumeProfiles: (batch, signal) => next.consumeProfiles(batch, signal),
        ${methods}
      }),
    }, {});
  `;
  const args = ['--import', 'tsx', '--test-reporter=tap', '--input-type=module', '--eval', program];
  // Inside a test runner a child would report to its parent instead of printing.
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const printed = await run(process.execPath, args, { env, timeout: 60_000 }).then(
    ({ stdout }) => stdout,
    (error: { stdout?: string }) => error.stdout ?? '',
  );
  return [...printed.matchAll(/^ {4}not ok \d+ - (.*)$/gm)].map(([, name]) => name ?? '');
}

describe('component contract', () => {
  it('lets a processor pass that keeps it', async () => {
    assert.deepEqual(await failures(''), []);
  });

  it('finds a timer that outlives the shutdown', async () => {
    const leak = 'async start() { this.timer = setTimeout(() => {}, 20_000); },';
    assert.deepEqual(
      await failures(`${leak} async shutdown() { setTimeout(() => clearTimeout(this.timer), 3_000); },`),
      ['frees its sockets and timers when it shuts down'],
    );
  });

  it('finds a shutdown that needs a start', async () => {
    const methods = 'async start() { this.live = {}; }, async shutdown() { this.live.end = true; },';
    assert.deepEqual(await failures(methods), ['shuts down without having been started']);
  });

  it('finds an acknowledgement before the data was taken', async () => {
    const methods =
      'async consumeProfiles(batch, signal) { setImmediate(() => next.consumeProfiles(batch, signal).catch(() => {})); },';
    assert.deepEqual(await failures(methods), [
      'resolves only after the next consumer took every sample',
      'hands errors of the next consumer back with their kind',
    ]);
  });

  it('finds an edit of the batch that was given', async () => {
    const methods =
      'async consumeProfiles(batch, signal) { batch.resources[0].schemaUrl = "edited"; await next.consumeProfiles(batch, signal); },';
    assert.deepEqual(await failures(methods), ['does not change the batch it was given']);
  });
});
