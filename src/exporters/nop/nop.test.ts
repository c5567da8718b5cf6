// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { testComponentContract } from '../../internal/testing/component-contract.ts';
import { never, testSettings } from '../../internal/testing/settings.ts';
import { batchFromFolded } from '../../pdata/folded.ts';
import { createNopExporter } from './exporter.ts';
import { nopExporterFactory } from './factory.ts';

testComponentContract(nopExporterFactory, null);

it('counts what it takes', async () => {
  const settings = testSettings('nop');
  await createNopExporter(settings).consumeProfiles(batchFromFolded('a 1\nb 2'), never());
  assert.equal(settings.meter.value('exporter_sent_profile_samples'), 2);
});
