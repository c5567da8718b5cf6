// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { request } from 'node:http';
import { afterEach, describe, it } from 'node:test';
import { notices } from '../../component/notices.ts';
import { FakeClock } from '../../internal/testing/fake-clock.ts';
import { testComponentContract } from '../../internal/testing/component-contract.ts';
import { never, testHost, testSettings } from '../../internal/testing/settings.ts';
import { batchFromFolded, type FoldedOptions } from '../../pdata/folded.ts';
import { viewerSchema } from './config.ts';
import { ViewerExporter } from './exporter.ts';
import { viewerExporterFactory } from './factory.ts';
import { isAllowedHost } from '../../internal/host-check.ts';

const NOW = 1_700_000_000_000;
const started: ViewerExporter[] = [];

async function start(config: object = {}) {
  const settings = testSettings('viewer');
  const clock = new FakeClock(NOW);
  const exporter = new ViewerExporter(
    settings,
    viewerSchema.parse({ endpoint: 'localhost:0', ...config }),
    clock,
  );
  await exporter.start(testHost(), never());
  started.push(exporter);
  const url = exporter.url ?? '';
  const json = async (path: string): Promise<unknown> => (await fetch(url + path)).json();
  return { settings, clock, exporter, url, json };
}

afterEach(async () => {
  for (const exporter of started.splice(0)) await exporter.shutdown(AbortSignal.abort());
});

const now = (options: FoldedOptions = {}): FoldedOptions => ({
  timeUnixNano: BigInt(NOW - 1000) * 1_000_000n,
  durationNano: 0n,
  ...options,
});

/** A request with headers that fetch does not let one set. */
function raw(
  url: string,
  headers: Record<string, string>,
  method = 'GET',
): Promise<{ status: number; headers: NodeJS.Dict<string | string[]> }> {
  return new Promise((resolve, reject) => {
    request(url, { headers, method }, (response) => {
      response.resume();
      response.once('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers }));
    })
      .once('error', reject)
      .end();
  });
}

testComponentContract(viewerExporterFactory, { endpoint: 'localhost:0' });

describe('viewer configuration', () => {
  it('is on loopback with 32 MiB and ten minutes by default', () => {
    assert.deepEqual(viewerSchema.parse(null), {
      endpoint: 'localhost:4041',
      allowed_hosts: [],
      max_bytes: 33_554_432,
      retention: 600_000,
    });
  });

  it('refuses limits that make no sense', () => {
    for (const bad of [
      { endpoint: 'localhost' },
      { max_bytes: 10 },
      { retention: '1s' },
      { retention: '48h' },
      { port: 1 },
    ]) {
      assert.equal(viewerSchema.safeParse(bad).success, false, JSON.stringify(bad));
    }
  });
});

describe('viewer exporter', () => {
  it('lists services with their processes, totals and last seen', async () => {
    const { exporter, json } = await start();
    const attributes = {
      'service.name': 'shop',
      'process.pid': '7',
      'process.executable.name': 'node',
      'host.name': 'h1',
    };
    await exporter.consumeProfiles(batchFromFolded('main;work 3', now({ attributes })), never());
    await exporter.consumeProfiles(
      batchFromFolded('main 1', now({ attributes: { 'process.executable.name': 'sshd' } })),
      never(),
    );
    const { services } = (await json('/api/services?from=-60000')) as { services: unknown[] };
    assert.deepEqual(services, [
      {
        service: 'shop',
        lastSeenMs: NOW - 1000,
        types: [['cpu:nanoseconds', 30_000_000]],
        processes: [{ process: 'node:7@h1', types: [['cpu:nanoseconds', 30_000_000]] }],
      },
      {
        service: 'sshd',
        lastSeenMs: NOW - 1000,
        types: [['cpu:nanoseconds', 10_000_000]],
        processes: [{ process: 'sshd', types: [['cpu:nanoseconds', 10_000_000]] }],
      },
    ]);
  });

  it('answers with the flame graph of a selection', async () => {
    const { exporter, json } = await start();
    await exporter.consumeProfiles(
      batchFromFolded('main;work 3', now({ attributes: { 'service.name': 'a' } })),
      never(),
    );
    await exporter.consumeProfiles(
      batchFromFolded('main;rest 5', now({ attributes: { 'service.name': 'b' } })),
      never(),
    );
    const a = (await json('/api/flame?service=a&from=-60000')) as {
      total: number;
      type: string;
      strings: string[];
    };
    assert.equal(a.total, 30_000_000);
    assert.equal(a.type, 'cpu:nanoseconds');
    assert.ok(a.strings.includes('work') && !a.strings.includes('rest'));
    assert.equal(((await json('/api/flame')) as { total: number }).total, 80_000_000);
    assert.equal(((await json(`/api/flame?from=1&until=${NOW - 5000}`)) as { total: number }).total, 0);
  });

  it('tells why there may be nothing to see', async () => {
    const { json } = await start();
    notices.set('profiling', 'not privileged: grant CAP_BPF');
    try {
      const status = (await json('/api/status')) as { batches: number; notices: unknown };
      assert.equal(status.batches, 0);
      assert.deepEqual(status.notices, [{ key: 'profiling', text: 'not privileged: grant CAP_BPF' }]);
    } finally {
      notices.delete('profiling');
    }
  });

  it('tells pages at most once a second that data came', async () => {
    const { exporter, clock, url } = await start();
    const stream = await fetch(`${url}/api/events`);
    const reader = stream.body?.pipeThrough(new TextDecoderStream()).getReader();
    assert.match((await reader?.read())?.value ?? '', /^retry: /);
    for (let i = 0; i < 5; i++) await exporter.consumeProfiles(batchFromFolded('main 1', now()), never());
    await clock.advance(1000);
    assert.equal((await reader?.read())?.value, 'event: data\ndata: 1\n\n');
    await exporter.consumeProfiles(batchFromFolded('main 1', now()), never());
    await clock.advance(2000);
    assert.equal((await reader?.read())?.value, 'event: data\ndata: 2\n\n');
    await reader?.cancel();
  });

  it('reports what it holds and what it had to drop', async () => {
    const { exporter, settings } = await start({ max_bytes: 1 << 20 });
    const many = Array.from({ length: 30_000 }, (_, i) => `main;function_number_${i} 1`).join('\n');
    await exporter.consumeProfiles(batchFromFolded(many, now()), never());
    await exporter.consumeProfiles(batchFromFolded('main 1', { timeUnixNano: 1n }), never());
    const value = (name: string): number => settings.meter.value(name) ?? Number.NaN;
    assert.ok(value('exporter_viewer_evicted_slices') >= 1);
    assert.ok(value('exporter_viewer_bytes') <= 1 << 20);
    assert.ok(value('exporter_viewer_slices') >= 1);
    assert.equal(value('exporter_viewer_samples') + value('exporter_viewer_evicted_samples'), 30_001);
    assert.equal(value('exporter_viewer_misplaced_samples'), 1);
  });

  it('lets go of old samples by itself when nothing new comes', async () => {
    const { exporter, clock, settings } = await start({ retention: '10s' });
    await exporter.consumeProfiles(batchFromFolded('main 1', now()), never());
    assert.equal(settings.meter.value('exporter_viewer_samples'), 1);
    await clock.advance(20_000);
    assert.equal(settings.meter.value('exporter_viewer_samples'), 0);
  });

  it('lets other work run while it takes a large batch', async () => {
    const { exporter } = await start();
    const many = Array.from({ length: 20_000 }, (_, i) => `main;f${i % 100} 1`).join('\n');
    let turns = 0;
    const tick = (): void => void (turns++, (pending = setImmediate(tick)));
    let pending = setImmediate(tick);
    await exporter.consumeProfiles(batchFromFolded(many, now()), never());
    clearImmediate(pending);
    assert.ok(turns >= 5, `${turns} turns`);
  });

  it('offers the selection as a file', async () => {
    const { exporter, url } = await start();
    await exporter.consumeProfiles(
      batchFromFolded('main;work 3', now({ attributes: { 'service.name': 'a/b "c"' } })),
      never(),
    );
    const response = await fetch(`${url}/api/download?format=folded`);
    assert.equal(await response.text(), 'main;work 30000000\n');
    assert.match(
      response.headers.get('content-disposition') ?? '',
      /^attachment; filename="[\w.-]+\.folded\.txt"$/,
    );
    assert.equal((await fetch(`${url}/api/download?format=svg`)).status, 400);
  });
});

describe('viewer security', () => {
  it('serves the page packed, tagged and without anything from elsewhere', async () => {
    const { url } = await start();
    const page = await fetch(`${url}/`);
    assert.equal(page.headers.get('content-encoding'), 'gzip');
    assert.match(await page.text(), /^<!doctype html>/i);
    const policy = page.headers.get('content-security-policy') ?? '';
    assert.match(policy, /default-src 'none'/);
    assert.doesNotMatch(policy, /unsafe|https?:|\*/);
    assert.equal(page.headers.get('access-control-allow-origin'), null);
    const again = await raw(`${url}/`, { 'if-none-match': page.headers.get('etag') ?? '' });
    assert.equal(again.status, 304);
    assert.equal((await raw(`${url}/`, {})).headers['content-encoding'], undefined);
  });

  it('refuses host names that a foreign site may have rebound', async () => {
    const { url } = await start({ allowed_hosts: ['Viewer.example'] });
    assert.equal((await raw(`${url}/api/status`, { host: 'evil.example' })).status, 421);
    assert.equal((await raw(`${url}/`, { host: 'evil.example:4041' })).status, 421);
    assert.equal((await raw(`${url}/api/status`, { host: 'viewer.example:80' })).status, 200);
    assert.equal((await raw(`${url}/api/status`, { host: '127.0.0.1:4041' })).status, 200);
  });

  it('knows addresses, localhost and given names from all others', () => {
    const names = new Set(['profiles.local']);
    for (const good of [
      'localhost',
      'LOCALHOST:1',
      '127.0.0.1:80',
      '[::1]:4041',
      '10.1.2.3',
      'profiles.local.',
    ]) {
      assert.equal(isAllowedHost(good, names), true, good);
    }
    for (const bad of [
      undefined,
      '',
      'localhost.evil.example',
      '127.0.0.1.evil.example',
      '[::1',
      'a b',
      'profiles.local@evil',
    ]) {
      assert.equal(isAllowedHost(bad, names), false, String(bad));
    }
  });

  it('is read-only and bounds what it is asked', async () => {
    const { url } = await start();
    assert.equal((await fetch(`${url}/api/status`, { method: 'POST' })).status, 405);
    assert.equal((await fetch(`${url}/api/flame?service=${'x'.repeat(600)}`)).status, 400);
    assert.equal((await fetch(`${url}/api/flame?from=abc`)).status, 400);
    assert.equal((await fetch(`${url}/api/flame?from=5&until=4`)).status, 400);
    assert.equal((await fetch(`${url}/${'x'.repeat(5000)}`)).status, 414);
    assert.equal((await fetch(`${url}/api/toString`)).status, 404);
    assert.equal((await fetch(`${url}/../package.json`)).status, 404);
    assert.equal((await fetch(`${url}//`)).status, 400);
    assert.equal((await fetch(`${url}//[`)).status, 400);
  });

  it('warns when more than this machine can see the data', async () => {
    const loopback = await start();
    assert.deepEqual(loopback.settings.logger.messages('warn'), []);
    const open = await start({ endpoint: '0.0.0.0:0' });
    assert.match(open.settings.logger.messages('warn')[0] ?? '', /without authentication/);
  });
});
