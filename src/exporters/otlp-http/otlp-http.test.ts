// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { testComponentContract } from '../../internal/testing/component-contract.ts';
import { schema } from './config.ts';
import { profilesUrl } from './exporter.ts';
import { otlpHttpExporterFactory } from './factory.ts';

testComponentContract(otlpHttpExporterFactory, { endpoint: 'http://localhost:1' });

describe('otlp_http configuration', () => {
  it('has the defaults of the Collector', () => {
    const config = schema.parse({ endpoint: 'http://backend:4318' });
    assert.equal(config.compression, 'gzip');
    assert.equal(config.encoding, 'proto');
    assert.equal(config.timeout, 30_000);
    assert.equal(config.sending_queue.queue_size, 1000);
    assert.equal(config.retry_on_failure.max_elapsed_time, 300_000);
    assert.equal(config.idle_conn_timeout, 90_000);
  });

  it('adds the path to the endpoint, and takes profiles_endpoint as it is', () => {
    const urlOf = (config: object): string => profilesUrl(schema.parse(config)).href;
    const path = '/v1development/profiles';
    assert.equal(urlOf({ endpoint: 'http://a:4318' }), `http://a:4318${path}`);
    assert.equal(urlOf({ endpoint: 'https://a/otlp/?x=1' }), `https://a/otlp${path}?x=1`);
    assert.equal(urlOf({ endpoint: 'http://a', profiles_endpoint: 'http://b/in?x=1' }), 'http://b/in?x=1');
    assert.equal(urlOf({ profiles_endpoint: 'http://b' }), 'http://b/');
  });

  it('refuses what cannot work', () => {
    const cases = [
      [{}, /at least one of endpoint and profiles_endpoint must be set/],
      [{ endpoint: 'a:4318' }, /invalid URL/],
      [{ compression: 'br' }, /Invalid option|compression/],
      [{ compression_params: { level: 10 } }, /unsupported level 10 \(gzip has -1 to 9\)/],
      [{ compression: 'snappy', compression_params: { level: 1 } }, /snappy has no levels/],
      [{ encoding: 'json', protocol_revision: '1.9' }, /is for encoding \\"proto\\"/],
      [{ encoding: 'text' }, /Invalid option/],
    ] as const;
    for (const [config, message] of cases) {
      const whole = Object.keys(config).length === 0 ? config : { endpoint: 'http://a', ...config };
      assert.throws(() => schema.parse(whole), message);
    }
  });

  it('knows levels of upstream', () => {
    const levelOf = (compression: string, level: number): number | undefined =>
      schema.parse({ endpoint: 'http://a', compression, compression_params: { level } }).compression_params
        .level;
    assert.equal(levelOf('gzip', 1), 1);
    assert.equal(levelOf('none', 0), 0);
    assert.equal(levelOf('zstd', 30), 30);
  });
});
