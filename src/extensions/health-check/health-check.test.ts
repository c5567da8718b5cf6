// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type IncomingMessage, request as httpRequest } from 'node:http';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import type { Kind } from '../../component/component.ts';
import type { ComponentStatus, ServiceView } from '../../component/service-view.ts';
import { makeCertificates } from '../../internal/testing/certificates.ts';
import { testComponentContract } from '../../internal/testing/component-contract.ts';
import { FakeClock } from '../../internal/testing/fake-clock.ts';
import { never, testHost, testSettings } from '../../internal/testing/settings.ts';
import { configSchema } from './config.ts';
import { HealthCheckExtension } from './extension.ts';
import { healthCheckExtensionFactory } from './factory.ts';

testComponentContract(healthCheckExtensionFactory, { endpoint: '127.0.0.1:0' });

async function started(t: TestContext, config: object = {}) {
  const clock = new FakeClock(Date.UTC(2026, 0, 2, 15, 4, 5));
  const parsed = configSchema.parse({ endpoint: '127.0.0.1:0', ...config });
  const extension = new HealthCheckExtension(testSettings('health_check'), parsed, clock);
  await extension.start(testHost(), never());
  t.after(() => extension.shutdown(AbortSignal.abort()));
  const ask = async (path = '/'): Promise<[number, unknown]> => {
    const response = await fetch(`${extension.url}${path}`);
    const text = await response.text();
    const isJson = response.headers.get('content-type') === 'application/json';
    return [response.status, isJson ? JSON.parse(text) : text];
  };
  return { extension, clock, ask };
}

describe('health check', () => {
  it('answers 200 while the pipelines run and 503 before and after', async (t) => {
    const { extension, clock, ask } = await started(t);
    const down = { status: 'Server not available', upSince: '0001-01-01T00:00:00Z', uptime: '' };
    assert.deepEqual(await ask(), [503, down]);
    extension.ready();
    await clock.advance(90_000);
    const up = { status: 'Server available', upSince: '2026-01-02T15:04:05.000Z', uptime: '1m30s' };
    assert.deepEqual(await ask('/any?thing'), [200, up]);
    extension.notReady();
    assert.deepEqual(await ask(), [503, down]);
  });

  it('sends configured texts instead, at the configured path alone', async (t) => {
    const { extension, ask } = await started(t, {
      path: '/health',
      response_body: { healthy: 'fine', unhealthy: 'wait' },
    });
    assert.deepEqual(await ask('/health'), [503, 'wait']);
    extension.ready();
    assert.deepEqual(await ask('/health'), [200, 'fine']);
    assert.deepEqual(await ask('/'), [404, 'health is at /health']);
  });

  it('speaks TLS, and asks for a client certificate where an authority is given', async (t) => {
    const { ca, server, client } = makeCertificates();
    const folder = mkdtempSync(join(tmpdir(), 'health-check-'));
    t.after(() => rmSync(folder, { recursive: true }));
    writeFileSync(join(folder, 'ca.pem'), ca);
    const tls = { cert_pem: server.cert, key_pem: server.key };
    const status = async (url: string | undefined, options: object): Promise<number | undefined> => {
      const [response] = (await once(request(url ?? '', { ca, ...options }).end(), 'response')) as [
        IncomingMessage,
      ];
      response.resume();
      return response.statusCode;
    };
    const open = await started(t, { tls });
    assert.equal(await status(open.extension.url, {}), 503);
    const guarded = await started(t, { tls: { ...tls, client_ca_file: join(folder, 'ca.pem') } });
    assert.equal(await status(guarded.extension.url, client), 503);
    await assert.rejects(status(guarded.extension.url, {}));
  });

  it('refuses a path that is none', () => {
    const issues = configSchema.safeParse({ path: 'health' }).error?.issues.map((i) => i.message);
    assert.deepEqual(issues, ["path must start with '/'"]);
  });
});

describe('health check with use_v2', () => {
  const status = (
    kind: Kind,
    id: string,
    what: ComponentStatus['status'],
    more: object = {},
  ): ComponentStatus => ({
    component: { kind, id, stability: 'beta', ...(kind === 'processor' && { pipeline: 'profiles/a' }) },
    status: what,
    sinceMs: Date.UTC(2026, 0, 2, 15),
    ...more,
  });
  const traffic = { batches: 0, samples: 0, events: 0, failedBatches: 0, failedSamples: 0 };

  async function startedV2(t: TestContext, config: object = {}) {
    const clock = new FakeClock(Date.UTC(2026, 0, 2, 15, 0, 30));
    const statuses = [
      status('extension', 'health_check', 'ok'),
      status('receiver', 'otlp', 'ok'),
      status('processor', 'batch', 'ok'),
      status('exporter', 'debug', 'ok'),
      status('exporter', 'file', 'ok'),
    ];
    const pipeline = { receivers: ['otlp'], traffic };
    const service: Partial<ServiceView> = {
      startedAtMs: Date.UTC(2026, 0, 1),
      pipelines: [
        { ...pipeline, id: 'profiles/a', processors: ['batch'], exporters: ['debug'] },
        { ...pipeline, id: 'profiles/b', processors: [], exporters: ['file'] },
      ],
      statuses: () => statuses,
      config: () => ({ exporters: { file: { password: '[REDACTED]' } } }),
    };
    const parsed = configSchema.parse({ use_v2: true, http: { endpoint: '127.0.0.1:0' }, ...config });
    const extension = new HealthCheckExtension(testSettings('health_check'), parsed, clock);
    await extension.start(testHost({}, service), never());
    t.after(() => extension.shutdown(AbortSignal.abort()));
    const ask = async (path: string) => {
      const response = await fetch(`${extension.url}${path}`);
      const text = await response.text();
      return { code: response.status, body: text.startsWith('{') ? (JSON.parse(text) as object) : text };
    };
    const fail = (id: string, what: ComponentStatus['status']) => {
      const at = statuses.findIndex(({ component }) => component.id === id);
      const { component } = statuses[at] ?? status('exporter', id, what);
      statuses[at] = { ...status(component.kind, id, what, { error: new Error('no route') }), component };
    };
    return { extension, clock, ask, fail };
  }

  it('tells the life of the service, its pipelines and their components', async (t) => {
    const { extension, ask, fail } = await startedV2(t);
    const start = { start_time: '2026-01-01T00:00:00.000Z' };
    const began = '2026-01-01T00:00:00.000Z';
    assert.deepEqual(await ask('/status'), {
      code: 503,
      body: { ...start, healthy: true, status: 'StatusStarting', status_time: began },
    });
    extension.ready();
    assert.deepEqual(await ask('/status'), {
      code: 200,
      body: { ...start, healthy: true, status: 'StatusOK', status_time: began },
    });
    fail('file', 'recoverable_error');
    const since = '2026-01-02T15:00:00.000Z';
    const ok = { healthy: true, status: 'StatusOK', status_time: since };
    const ill = { healthy: true, status: 'StatusRecoverableError', error: 'no route', status_time: since };
    assert.deepEqual((await ask('/status?verbose')).body, {
      ...start,
      ...ill,
      components: {
        extensions: { ...ok, status_time: began, components: { 'extension:health_check': ok } },
        'pipeline:profiles/a': {
          ...ok,
          status_time: began,
          components: { 'receiver:otlp': ok, 'processor:batch': ok, 'exporter:debug': ok },
        },
        'pipeline:profiles/b': { ...ill, components: { 'receiver:otlp': ok, 'exporter:file': ill } },
      },
    });
    assert.deepEqual(await ask('/status?pipeline=profiles/b&verbose=true'), {
      code: 200,
      body: { ...start, ...ill, components: { 'receiver:otlp': ok, 'exporter:file': ill } },
    });
    assert.equal((await ask('/status?pipeline=profiles/c')).code, 404);
    extension.notReady();
    const { code, body } = await ask('/status');
    assert.deepEqual([code, Reflect.get(Object(body), 'status')], [503, 'StatusStopping']);
  });

  it('counts the errors that it is told to count', async (t) => {
    const strict = {
      component_health: {
        include_permanent_errors: true,
        include_recoverable_errors: true,
        recovery_duration: '1m',
      },
    };
    for (const [config, error, codes] of [
      [{}, 'permanent_error', [200, 200]],
      [{}, 'recoverable_error', [200, 200]],
      [{}, 'fatal_error', [500, 500]],
      [strict, 'permanent_error', [500, 500]],
      [strict, 'recoverable_error', [200, 500]],
    ] as const) {
      const { extension, clock, ask, fail } = await startedV2(t, config);
      extension.ready();
      fail('file', error);
      const first = (await ask('/status')).code;
      await clock.advance(31_000);
      assert.deepEqual([first, (await ask('/status')).code], codes, `${error} ${JSON.stringify(config)}`);
      assert.equal((await ask('/status?pipeline=profiles/a')).code, 200);
    }
  });

  it('shows the configuration where asked, and nothing else', async (t) => {
    const { ask } = await startedV2(t);
    assert.deepEqual(await ask('/config'), { code: 404, body: 'health is at /status' });
    const http = { endpoint: '127.0.0.1:0', status: { path: '/health' }, config: { enabled: true } };
    const open = await startedV2(t, { http });
    assert.deepEqual((await open.ask('/config')).body, { exporters: { file: { password: '[REDACTED]' } } });
    const foreign = httpRequest(`${open.extension.url}/config`, { headers: { host: 'evil.example' } });
    const [refused] = (await once(foreign.end(), 'response')) as [IncomingMessage];
    refused.resume();
    assert.equal(refused.statusCode, 421);
    assert.deepEqual(await open.ask('/status'), { code: 404, body: 'health is at /health and /config' });
  });

  it('refuses keys that would do nothing', () => {
    const messages = (config: object) => configSchema.safeParse(config).error?.issues.map((i) => i.message);
    assert.deepEqual(messages({ component_health: {} }), ['has an effect with "use_v2: true" alone']);
    assert.deepEqual(messages({ use_v2: true, grpc: {} }), [
      'is not supported: health is told over HTTP alone (use "http")',
    ]);
  });
});
