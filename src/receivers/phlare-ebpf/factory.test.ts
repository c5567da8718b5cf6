// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { testComponentContract } from '../../internal/testing/component-contract.ts';
import { RecordingConsumer } from '../../internal/testing/recording-consumer.ts';
import { testSettings } from '../../internal/testing/settings.ts';
import { MetricsRegistry } from '../../service/telemetry/meter.ts';
import { phlareEbpfReceiverFactory } from './factory.ts';

testComponentContract(phlareEbpfReceiverFactory, { targets_only: true });

it('phlare_ebpf calls its latency as phlare.ebpf did', async () => {
  const registry = new MetricsRegistry();
  const settings = { ...testSettings('phlare_ebpf'), meter: registry.meter({ receiver: 'phlare_ebpf' }) };
  const next = new RecordingConsumer();
  phlareEbpfReceiverFactory.create(settings, phlareEbpfReceiverFactory.schema.parse({}), next);
  const page = await registry.page();
  assert.match(page, /^# TYPE phlare_fanout_latency histogram$/m);
  assert.doesNotMatch(page, /pyroscope_fanout_latency/);
});

it('phlare_ebpf has the defaults of phlare.ebpf', () => {
  const { targets_only, collect_interval, sample_rate } = Object(
    phlareEbpfReceiverFactory.schema.parse(null),
  );
  assert.deepEqual(
    { targets_only, collect_interval, sample_rate },
    { targets_only: false, collect_interval: 10_000, sample_rate: 100 },
  );
});
