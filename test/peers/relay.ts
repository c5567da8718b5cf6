// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { decodeOtlp } from '../../src/codecs/otlp/decode.ts';
import { otlpGrpcExporterFactory } from '../../src/exporters/otlp-grpc/factory.ts';
import { otlpHttpExporterFactory } from '../../src/exporters/otlp-http/factory.ts';
import { RecordingConsumer } from '../../src/internal/testing/recording-consumer.ts';
import { never, testHost, testSettings } from '../../src/internal/testing/settings.ts';
import { meaningDifference } from '../../src/pdata/canonical.ts';
import { batchFromFolded } from '../../src/pdata/folded.ts';
import type { ProfilesBatch } from '../../src/pdata/profiles-batch.ts';
import { otlpReceiverFactory } from '../../src/receivers/otlp/factory.ts';
import { capturedRequests } from '../integration/otlp-samples.ts';
import { freePort } from '../free-port.ts';
import { runGo } from './go-collector.ts';

/** Our receiver, and where its two servers listen. */
async function ourReceiver(t: TestContext): Promise<{ next: RecordingConsumer; grpc: string; http: string }> {
  const next = new RecordingConsumer();
  const settings = testSettings('otlp');
  const protocols = { grpc: { endpoint: 'localhost:0' }, http: { endpoint: 'localhost:0' } };
  const receiver = otlpReceiverFactory.create(
    settings,
    otlpReceiverFactory.schema.parse({ protocols }),
    next,
  );
  await receiver.start(testHost(), never());
  t.after(() => receiver.shutdown(AbortSignal.timeout(5_000)));
  const [grpc, http] = settings.logger.entries.map(({ fields }) => String(fields['endpoint']));
  assert.ok(grpc !== undefined && http !== undefined);
  return { next, grpc, http };
}

const SYNCHRONOUS = { sending_queue: { enabled: false }, retry_on_failure: { enabled: false } };

/** Gives one batch to our exporter; resolves when the other side has said that it has it. */
async function send(kind: 'grpc' | 'proto' | 'json', port: number, batch: ProfilesBatch): Promise<void> {
  const settings = testSettings(kind);
  const exporter =
    kind === 'grpc'
      ? otlpGrpcExporterFactory.create(
          settings,
          otlpGrpcExporterFactory.schema.parse({
            ...SYNCHRONOUS,
            endpoint: `127.0.0.1:${port}`,
            tls: { insecure: true },
          }),
        )
      : otlpHttpExporterFactory.create(
          settings,
          otlpHttpExporterFactory.schema.parse({
            ...SYNCHRONOUS,
            endpoint: `http://127.0.0.1:${port}`,
            encoding: kind,
          }),
        );
  await exporter.start(testHost(), never());
  try {
    await exporter.consumeProfiles(batch, never());
  } finally {
    await exporter.shutdown(never());
  }
}

/** Our exporters to the Go Collector, and the Go Collector's exporters to our receiver: what arrives is what was sent. */
export function testRelay(binary: string): void {
  const [own] = capturedRequests();
  assert.ok(own !== undefined);
  const batches = {
    'the request of our profiler': decodeOtlp(own.bytes),
    'folded stacks': batchFromFolded('main;work;malloc 3\nmain;idle 1\nmain;"quoted\\";ünïcode 2', {
      attributes: { 'service.name': 'shop', 'process.owner': 'root' },
    }),
  };

  describe('through the Go Collector profiles keep their meaning', () => {
    for (const kind of ['grpc', 'proto', 'json'] as const) {
      it(`sent by our exporter as ${kind}, received by us over gRPC, HTTP and HTTP with JSON`, async (t) => {
        const receiver = await ourReceiver(t);
        const [grpc, http] = [await freePort(), await freePort()];
        const go = await runGo(
          binary,
          JSON.stringify({
            receivers: {
              otlp: {
                protocols: {
                  grpc: { endpoint: `127.0.0.1:${grpc}` },
                  http: { endpoint: `127.0.0.1:${http}` },
                },
              },
            },
            exporters: {
              otlp_grpc: { ...SYNCHRONOUS, endpoint: receiver.grpc, tls: { insecure: true } },
              otlp_http: { ...SYNCHRONOUS, endpoint: `http://${receiver.http}` },
              'otlp_http/json': { ...SYNCHRONOUS, endpoint: `http://${receiver.http}`, encoding: 'json' },
            },
            service: {
              telemetry: { metrics: { level: 'none' } },
              pipelines: {
                profiles: { receivers: ['otlp'], exporters: ['otlp_grpc', 'otlp_http', 'otlp_http/json'] },
              },
            },
          }),
        );
        t.after(() => go.stop());
        for (const [name, batch] of Object.entries(batches)) {
          const before = receiver.next.batches.length;
          await send(kind, kind === 'grpc' ? grpc : http, batch);
          const arrived = receiver.next.batches.slice(before);
          assert.equal(arrived.length, 3, name);
          for (const one of arrived) assert.equal(meaningDifference(batch, one), undefined, name);
        }
      });
    }
  });
}
