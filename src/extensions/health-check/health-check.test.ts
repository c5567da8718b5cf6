// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
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
