// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { decodeOtlp } from '../../codecs/otlp/decode.ts';
import { encodeOtlp } from '../../codecs/otlp/encode.ts';
import { readPprof } from '../../codecs/pprof/read.ts';
import { testComponentContract } from '../../internal/testing/component-contract.ts';
import { stringValue } from '../../pdata/any-value.ts';
import { batchFromFolded, toFolded } from '../../pdata/folded.ts';
import { processTimeSlots } from '../helper/time-slots.ts';
import { schema } from './config.ts';
import { pyroscopeExporterFactory } from './factory.ts';
import { packRequests, pushSeries } from './push-series.ts';
import { labelName, seriesLabels } from './series-labels.ts';

testComponentContract(pyroscopeExporterFactory, { endpoint: 'http://localhost:1' });

describe('labels of a series', () => {
  const report = () => ({ droppedLabels: 0, truncatedLabels: 0 });
  const attribute = (key: string, value: string) => ({ key, value: stringValue(value) });

  it('have names that Pyroscope and Grafana take', () => {
    assert.equal(labelName('k8s.pod.name', 'underscore'), 'k8s_pod_name');
    assert.equal(labelName('k8s.pod.name', 'dotted'), 'k8s.pod.name');
    assert.equal(labelName('a-b ü/1', 'dotted'), 'a_b___1');
    assert.equal(labelName('1x', 'underscore'), '_1x');
  });

  it('fall back to the executable for the service', () => {
    const options = { style: 'underscore', external: {}, reserved: 0 } as const;
    const labels = seriesLabels(
      'process_cpu',
      [attribute('process.executable.name', 'nginx')],
      options,
      report(),
    );
    assert.deepEqual(labels, [
      { name: '__delta__', value: 'false' },
      { name: '__name__', value: 'process_cpu' },
      { name: 'process_executable_name', value: 'nginx' },
      { name: 'service_name', value: 'nginx' },
    ]);
  });

  it('keep what tells most of the service when there are too many', () => {
    const noise = Array.from({ length: 40 }, (_, i) => attribute(`os.noise${i}`, 'x'));
    const attributes = [
      ...noise,
      attribute('k8s.namespace.name', 'prod'),
      attribute('deployment.environment', 'eu'),
    ];
    const counted = report();
    const labels = seriesLabels('x', attributes, { style: 'dotted', external: {}, reserved: 3 }, counted);
    const names = labels.map((l) => l.name);
    assert.ok(names.includes('k8s.namespace.name') && names.includes('deployment.environment'));
    assert.equal(labels.length, 25);
    assert.equal(counted.droppedLabels, 20);
  });
});

describe('series', () => {
  it('have the samples of profiles that came over OTLP and that nobody has looked into', async () => {
    const wall = ['wall', 'nanoseconds'] as const;
    const sent = batchFromFolded('main;idle 1\nmain;work 3', {
      sampleType: wall,
      periodType: wall,
      period: 1n,
    });
    const received = decodeOtlp(encodeOtlp(sent, { revision: '1.10' }));
    const report = { droppedLabels: 0, truncatedLabels: 0 };
    const [series, ...others] = pushSeries(received, schema.parse({}), processTimeSlots, report);
    assert.equal(others.length, 0);
    assert.equal(toFolded(await readPprof(series?.pprof ?? assert.fail())), 'main;idle 1\nmain;work 3');
  });

  it('have times that are too long for 64 bits as the longest, not as negative ones', async () => {
    const batch = batchFromFolded('main;work 9000000000000000\nmain 1', { period: 10_000_000n });
    const report = { droppedLabels: 0, truncatedLabels: 0 };
    const [series] = pushSeries(batch, schema.parse({}), processTimeSlots, report);
    const sent = await readPprof(series?.pprof ?? assert.fail());
    assert.equal(toFolded(sent), `main 10000000\nmain;work ${2n ** 63n - 1n}`);
  });

  it('are named after any type, one that every object has a member of included', () => {
    const batch = batchFromFolded('main 1', { periodType: ['constructor', 'count'], period: 1n });
    const report = { droppedLabels: 0, truncatedLabels: 0 };
    const [series] = pushSeries(batch, schema.parse({}), processTimeSlots, report);
    assert.equal(series?.labels.find(({ name }) => name === '__name__')?.value, 'constructor');
  });
});

describe('requests', () => {
  it('hold as many series as fit', () => {
    const series = [3, 3, 3, 9, 1].map((n) => ({
      ...{ labels: [], pprof: new Uint8Array(n), isGzip: false, rawBytes: n, samples: 1 },
      ...{ timeUnixNano: 0n, durationNano: 0n },
    }));
    assert.deepEqual(
      packRequests(series, 7).map((r) => r.map((s) => s.pprof.length)),
      [[3, 3], [3], [9], [1]],
    );
  });
});
