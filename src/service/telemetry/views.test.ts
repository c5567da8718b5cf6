// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { viewsSchema } from '../../config/telemetry-export.ts';
import { TEST_BUILD } from '../../internal/testing/settings.ts';
import { MetricsRegistry } from './meter.ts';

type Level = 'none' | 'basic' | 'normal' | 'detailed';

async function pageOf(views: object[], level: Level = 'normal'): Promise<string> {
  const registry = new MetricsRegistry({ level, views: viewsSchema.parse(views) }, TEST_BUILD);
  const meter = registry.meter({ exporter: 'a' });
  meter.counter('sent', 'Sent', ['code']).add(1, { code: '200' });
  registry.meter({ exporter: 'b' }).counter('sent', 'Sent', ['code']).add(2, { code: '200' });
  meter.gauge('size_bytes', 'Size').set(7);
  meter.histogram('took_seconds', 'Time', [1, 2]).record(5);
  meter.observe('counter', 'seen', 'Seen', [], () => [{ value: 4 }]);
  registry.meter({ exporter: 'b' }).observe('counter', 'seen', 'Seen', [], () => [{ value: 5 }]);
  return registry.page();
}

describe('views of own metrics', () => {
  it('drop a metric, rename one, take labels away and add up what then is the same', async () => {
    const page = await pageOf([
      { selector: { instrument_name: 'otelcol_si?e*' }, stream: { aggregation: { drop: {} } } },
      {
        selector: { instrument_name: 'otelcol_sent' },
        stream: { name: 'sent_all', description: 'All', attribute_keys: { excluded: ['exporter'] } },
      },
      { selector: { instrument_type: 'observable_counter' }, stream: { attribute_keys: { included: [] } } },
      {
        selector: { unit: 's' },
        stream: { aggregation: { explicit_bucket_histogram: { boundaries: [10] } } },
      },
    ]);
    assert.doesNotMatch(page, /size_bytes/);
    assert.match(page, /^# HELP sent_all All$/m);
    assert.match(page, /^sent_all\{code="200"\} 3$/m);
    assert.match(page, /^otelcol_seen 9$/m);
    assert.match(page, /^otelcol_took_seconds_bucket\{le="10",exporter="a"\} 1$/m);
    assert.doesNotMatch(page, /le="2"/);
  });

  it('leave alone what they do not name', async () => {
    const other = {
      selector: { meter_name: 'go.opentelemetry.io/*' },
      stream: { aggregation: { drop: {} } },
    };
    assert.equal(await pageOf([other]), await pageOf([]));
  });

  it('are not needed to be rid of histograms: level basic has none', async () => {
    assert.doesNotMatch(await pageOf([], 'basic'), /took_seconds/);
    assert.match(await pageOf([], 'detailed'), /took_seconds/);
  });
});
