// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { promisify } from 'node:util';
import { fileExporterFactory } from '../../src/exporters/file/factory.ts';
import { RecordingConsumer } from '../../src/internal/testing/recording-consumer.ts';
import { never, testHost, testSettings } from '../../src/internal/testing/settings.ts';
import { meaningDifference } from '../../src/pdata/canonical.ts';
import { batchFromFolded } from '../../src/pdata/folded.ts';
import { fileReceiverFactory } from '../../src/receivers/file/factory.ts';
import { needGo } from '../go.ts';

const run = promisify(execFile);
const folder = mkdtempSync(join(tmpdir(), 'file-go-peer-'));
after(() => rmSync(folder, { recursive: true, force: true }));

let built: Promise<string> | undefined;

function goPeer(): Promise<string> {
  built ??= (async () => {
    const binary = join(folder, 'peer');
    await run(needGo(), ['build', '-o', binary, '.'], { cwd: join(import.meta.dirname, 'go-file-peer') });
    return binary;
  })();
  return built;
}

for (const [ours, theirs] of [
  ['json', 'proto'],
  ['proto', 'json'],
] as const) {
  test(`the Go Collector's pdata reads our ${ours} file whole, and we read the ${theirs} file that it makes of it`, async (t) => {
    const sent = ['shop', 'cart', 'till'].map((name) =>
      batchFromFolded('main;work;malloc 3\nmain;idle 1\nmain;"quoted\\";ünïcode 2', {
        attributes: { 'service.name': name, 'process.owner': 'root' },
      }),
    );
    const [written, rewritten] = [join(folder, ours), join(folder, `${ours}-as-${theirs}`)];
    const config = fileExporterFactory.schema.parse({ path: written, format: ours });
    const exporter = fileExporterFactory.create(testSettings('file'), config);
    await exporter.start(testHost(), never());
    for (const batch of sent) await exporter.consumeProfiles(batch, never());
    await exporter.shutdown(never());
    const { stdout } = await run(await goPeer(), [ours, written, theirs, rewritten]);
    assert.equal(stdout.trim(), '3 9');
    const next = new RecordingConsumer();
    const receiver = fileReceiverFactory.create(
      testSettings('file'),
      fileReceiverFactory.schema.parse({
        include: [rewritten],
        start_at: 'beginning',
        poll_interval: '10ms',
      }),
      next,
    );
    await receiver.start(testHost(), never());
    t.after(() => receiver.shutdown(AbortSignal.timeout(1_000)));
    await next.taken(sent.length);
    sent.forEach((batch, i) => {
      const read = next.batches[i];
      assert.ok(read !== undefined);
      assert.equal(meaningDifference(batch, read), undefined);
    });
  });
}
