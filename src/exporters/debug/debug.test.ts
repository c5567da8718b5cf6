// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { testComponentContract } from '../../internal/testing/component-contract.ts';
import { FakeClock } from '../../internal/testing/fake-clock.ts';
import { never, testHost, testSettings } from '../../internal/testing/settings.ts';
import { batchFromFolded } from '../../pdata/folded.ts';
import { schema } from './config.ts';
import { createDebugExporter } from './exporter.ts';
import { debugExporterFactory } from './factory.ts';

const BATCH = batchFromFolded('main;work;malloc 3\nmain;idle 1', { attributes: { 'service.name': 'shop' } });

testComponentContract(debugExporterFactory, null);

async function logOf(config: object, batches = 1): Promise<string[]> {
  const settings = testSettings('debug');
  const exporter = createDebugExporter(settings, schema.parse(config), { clock: new FakeClock() });
  await exporter.start(testHost(), never());
  for (let i = 0; i < batches; i++) await exporter.consumeProfiles(BATCH, never());
  await exporter.shutdown(never());
  return settings.logger.messages();
}

describe('debug exporter', () => {
  it('writes a summary with its counts', async () => {
    const settings = testSettings('debug');
    await createDebugExporter(settings, schema.parse(null)).consumeProfiles(BATCH, never());
    assert.deepEqual(settings.logger.entries, [
      { level: 'info', message: 'Profiles', fields: { 'resource profiles': 1, 'sample records': 2 } },
    ]);
  });

  it('writes a line for each profile when verbosity is normal', async () => {
    const [, text] = await logOf({ verbosity: 'normal' });
    assert.equal(text, 'ResourceProfiles #0 service.name=shop\nScopeProfiles #0\n samples=2\n');
  });

  it('writes stacks, values and tables when verbosity is detailed', async () => {
    const [, text = ''] = await logOf({ verbosity: 'Detailed' });
    for (const part of [
      'Function #1\n    Name           : malloc',
      '     -> service.name: Str(shop)',
      '    Sample type    : samples/count',
      '    Period         : 10000000 cpu/nanoseconds',
      '    Start time     : 2023-11-14T22:13:20.000000000Z',
      '    Sample #0\n        Stack: main;work;malloc\n        Values: [3]',
    ]) {
      assert.ok(text.includes(part), `${part}\nis missing in\n${text}`);
    }
  });

  it('writes the first batches of a second, then every n-th', async () => {
    assert.equal((await logOf({ sampling_initial: 2, sampling_thereafter: 3 }, 8)).length, 4);
    assert.equal((await logOf({ sampling_initial: 2, sampling_thereafter: 0 }, 8)).length, 2);
    assert.equal((await logOf({}, 8)).length, 8);
  });

  it('writes bare text to streams and files when told so', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'debug-exporter-'));
    const path = join(folder, 'out.txt');
    const config = schema.parse({
      use_internal_logger: false,
      output_paths: ['stdout', path],
      verbosity: 'normal',
    });
    let written = '';
    const settings = testSettings('debug');
    const exporter = createDebugExporter(settings, config, {
      stdout: { write: (text) => (written += text) },
    });
    await exporter.start(testHost(), never());
    await exporter.consumeProfiles(BATCH, never());
    await exporter.shutdown(never());
    assert.match(written, /^Profiles \{"resource profiles":1,"sample records":2\}\nResourceProfiles #0/);
    assert.equal(await readFile(path, 'utf8'), written);
    assert.deepEqual(settings.logger.entries, []);
    await rm(folder, { recursive: true });
  });

  it('fails to start where a file cannot be opened', async () => {
    const config = schema.parse({ use_internal_logger: false, output_paths: ['/nonexistent/x'] });
    const exporter = createDebugExporter(testSettings('debug'), config);
    await assert.rejects(exporter.start(testHost(), never()), /output_paths: cannot open "\/nonexistent\/x"/);
  });
});
