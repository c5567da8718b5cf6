// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileExporterFactory } from '../../src/exporters/file/factory.ts';
import { RecordingConsumer } from '../../src/internal/testing/recording-consumer.ts';
import { never, testHost, testSettings } from '../../src/internal/testing/settings.ts';
import { getText } from '../../src/pdata/attributes.ts';
import { meaningDifference } from '../../src/pdata/canonical.ts';
import { batchFromFolded } from '../../src/pdata/folded.ts';
import type { ProfilesBatch } from '../../src/pdata/profiles-batch.ts';
import { fileReceiverFactory } from '../../src/receivers/file/factory.ts';

const serviceOf = (batch: ProfilesBatch): string | undefined =>
  getText(batch.resources[0]?.resource.attributes ?? [], 'service.name');

/** Batches that do not compress well, so that compressed files are rotated too. */
function batches(): ProfilesBatch[] {
  let seed = 1;
  const word = (): string => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
    return seed.toString(36);
  };
  const long = (): string => Array.from({ length: 1_000 }, word).join('');
  return Array.from({ length: 12 }, (_, n) =>
    batchFromFolded(Array.from({ length: 40 }, (_row, i) => `main;${long()};${word()} ${i + 1}`).join('\n'), {
      attributes: { 'service.name': `shop-${n}` },
    }),
  );
}

for (const [format, compression] of [
  ['json', ''],
  ['proto', ''],
  ['json', 'zstd'],
  ['proto', 'zstd'],
] as const) {
  test(`what the file exporter writes (${format}${compression && `, ${compression}`}) the file receiver reads sample by sample, across rotations`, async (t) => {
    const dir = mkdtempSync(join(tmpdir(), 'file-round-trip-'));
    t.after(() => rmSync(dir, { recursive: true, force: true }));
    const next = new RecordingConsumer();
    const receiver = fileReceiverFactory.create(
      testSettings('file'),
      fileReceiverFactory.schema.parse({
        include: [join(dir, 'out*')],
        start_at: 'beginning',
        poll_interval: '10ms',
      }),
      next,
    );
    const exporter = fileExporterFactory.create(
      testSettings('file'),
      fileExporterFactory.schema.parse({
        path: join(dir, 'out.data'),
        format,
        compression,
        rotation: { max_megabytes: 1 },
      }),
    );
    await exporter.start(testHost(), never());
    await receiver.start(testHost(), never());
    t.after(() => receiver.shutdown(AbortSignal.timeout(1_000)));
    const sent = batches();
    for (const batch of sent) await exporter.consumeProfiles(batch, never());
    await next.taken(sent.length);
    await exporter.shutdown(never());
    assert.ok(readdirSync(dir).length >= 2, 'nothing was rotated');
    // Files that were rotated while the receiver looked may come in another order.
    for (const batch of sent) {
      const same = next.batches.filter((read) => serviceOf(read) === serviceOf(batch));
      assert.equal(same.length, 1, serviceOf(batch));
      for (const read of same) assert.ok(meaningDifference(batch, read) === undefined, serviceOf(batch));
    }
    assert.equal(next.batches.length, sent.length);
  });
}
