// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { testComponentContract } from '../../internal/testing/component-contract.ts';
import { schema } from './config.ts';
import { otlpGrpcExporterFactory } from './factory.ts';

testComponentContract(otlpGrpcExporterFactory, { endpoint: 'localhost:1', tls: { insecure: true } });

describe('otlp_grpc configuration', () => {
  it('has the defaults of the Collector', () => {
    const config = schema.parse({ endpoint: 'backend:4317' });
    assert.equal(config.compression, 'gzip');
    assert.equal(config.timeout, 5_000);
    assert.equal(config.sending_queue.queue_size, 1000);
    assert.equal(config.retry_on_failure.max_elapsed_time, 300_000);
    assert.equal(config.protocol_revision, '1.10');
  });

  it('needs an endpoint', () => {
    assert.throws(() => schema.parse({}), /host:port/);
  });
});
