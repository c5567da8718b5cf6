// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, test, type TestContext } from 'node:test';
import { promisify } from 'node:util';
import { PprofDeferral } from '../../src/codecs/pprof/defer.ts';
import { pprofDelta } from '../../src/codecs/pprof/delta/delta.ts';
import { fileDelta } from '../../src/codecs/pprof/delta/file-delta.ts';
import { readPprof } from '../../src/codecs/pprof/read.ts';
import { pprofExtensionFactory } from '../../src/extensions/pprof/factory.ts';
import { makeCertificates } from '../../src/internal/testing/certificates.ts';
import { RecordingConsumer } from '../../src/internal/testing/recording-consumer.ts';
import { never, testHost, testSettings } from '../../src/internal/testing/settings.ts';
import { getText } from '../../src/pdata/attributes.ts';
import type { ProfilesBatch } from '../../src/pdata/profiles-batch.ts';
import { listAt } from '../../src/pdata/tables.ts';
import { pyroscopeScrapeReceiverFactory } from '../../src/receivers/pyroscope-scrape/factory.ts';
import { freePort } from '../free-port.ts';
import { needGo } from '../go.ts';
import { startNginx } from './nginx.ts';

const run = promisify(execFile);
const folder = mkdtempSync(join(tmpdir(), 'scrape-go-'));
const ends: (() => void)[] = [() => rmSync(folder, { recursive: true, force: true })];
after(() => ends.forEach((end) => end()));

let address = '';
before(async () => {
  const binary = join(folder, 'target');
  await run(needGo(), ['build', '-o', binary, '.'], { cwd: join(import.meta.dirname, 'go-pprof-target') });
  const child = spawn(binary, { stdio: ['ignore', 'pipe', 'inherit'] });
  ends.push(() => child.kill());
  [address] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
});

const bytesOf = async (path: string): Promise<Buffer> =>
  Buffer.from(await (await fetch(`http://${address}${path}`)).arrayBuffer());

/** Value by type, functions of the stack and label, zeros left out. */
function meaning(batch: ProfilesBatch): Map<string, bigint> {
  const { dictionary: d } = batch;
  const { functions, locations, stacks } = d.tables;
  const out = new Map<string, bigint>();
  for (const { profile: p } of batch.profiles()) {
    for (let i = 0; i < p.samples.length; i++) {
      const value = p.samples.values[i] ?? 0n;
      const frames = [...listAt(stacks.locations, p.samples.stack[i] ?? 0)].flatMap((row) => {
        const lines: string[] = [];
        for (let l = locations.lineStart[row] ?? 0; l < (locations.lineStart[row + 1] ?? 0); l++)
          lines.push(
            `${d.text(functions.name[locations.lineFunction[l] ?? 0] ?? 0)}:${locations.lineLine[l]}`,
          );
        return lines;
      });
      const labels = [...listAt(p.samples.attributes, i)].map((row) => {
        const label = d.attributeValue(row);
        return label.kind === 'int' ? `${d.attributeKey(row)}=${label.value}` : '';
      });
      const key = [d.text(p.sampleType.type), ...frames, ...labels].join(' ');
      if (value !== 0n) out.set(key, (out.get(key) ?? 0n) + value);
    }
  }
  return out;
}

const ofTotals = (all: ReadonlyMap<string, bigint>): Map<string, bigint> =>
  new Map([...all].filter(([key]) => !key.startsWith('inuse_')).sort(([a], [b]) => (a < b ? -1 : 1)));

for (const [name, fn] of [
  ['allocs', 'main.allocate'],
  ['mutex', 'main.contend'],
  ['block', 'main.contend'],
] as const) {
  test(`our difference of two profiles "${name}" of Go is that of go tool pprof -base`, async () => {
    const path = `/debug/pprof/${name}`;
    await bytesOf('/work');
    const first = await bytesOf(path);
    await bytesOf('/work');
    const second = await bytesOf(path);
    const files = [first, second].map((bytes, i) => {
      const file = join(folder, `${name}${i}.pb.gz`);
      writeFileSync(file, bytes);
      return file;
    });
    const [base = '', now = ''] = files;
    const output = join(folder, `${name}-diff.pb.gz`);
    const args = ['tool', 'pprof', '-proto', '-symbolize=none', '-output', output, '-base', base, now];
    await run(needGo(), args, { env: { ...process.env, PPROF_TMPDIR: folder } });
    const theirs = meaning(await readPprof(readFileSync(output)));
    const last = pprofDelta(await readPprof(first), undefined);
    const ours = pprofDelta(await readPprof(second), last?.totals);
    assert.equal(ours?.outcome, 'delta');
    const got = ofTotals(meaning(ours.batch));
    assert.ok([...got.keys()].some((key) => key.includes(fn)));
    assert.deepEqual(got, ofTotals(theirs));
    const options = { maxBytes: 1 << 24, first: 'skip', deferral: new PprofDeferral() } as const;
    const earlier = await fileDelta(first, undefined, options);
    assert.ok(typeof earlier === 'object');
    const inAddon = await fileDelta(second, earlier.totals, options);
    assert.ok(typeof inAddon === 'object');
    assert.equal(inAddon.outcome, 'delta');
    assert.deepEqual(inAddon.made && ofTotals(meaning(inAddon.made.batch)), ofTotals(theirs));
    // What the server gets is read by Go too.
    writeFileSync(output, inAddon.made?.file ?? '');
    const top = ['tool', 'pprof', '-top', '-symbolize=none', '-sample_index=0', output];
    const { stdout } = await run(needGo(), top, { env: { ...process.env, PPROF_TMPDIR: folder } });
    assert.ok(stdout.includes(fn), stdout);
  });
}

async function scraping(t: TestContext, config: object): Promise<RecordingConsumer> {
  const next = new RecordingConsumer();
  const settings = testSettings('pyroscope_scrape');
  const parsed = pyroscopeScrapeReceiverFactory.schema.parse(config);
  const receiver = pyroscopeScrapeReceiverFactory.create(settings, parsed, next);
  await receiver.start(testHost(), never());
  t.after(() => receiver.shutdown(AbortSignal.timeout(5_000)));
  return next;
}

const names = ({ batches }: RecordingConsumer): Set<string> =>
  new Set(
    batches.flatMap(({ resources }) =>
      resources.map(({ resource }) => getText(resource.attributes, '__name__') ?? ''),
    ),
  );

async function until(isDone: () => boolean): Promise<void> {
  while (!isDone()) await new Promise((resolve) => setTimeout(resolve, 20));
}

test('the five profiles of a Go program arrive under their names', async (t) => {
  const next = await scraping(t, {
    targets: [{ __address__: address, service_name: 'go' }],
    scrape_interval: '2s',
  });
  const working = setInterval(() => void bytesOf('/work').catch(() => undefined), 200);
  t.after(() => clearInterval(working));
  await until(
    () =>
      names(next).size === 5 && next.folded.includes('main.burn') && next.folded.includes('main.allocate'),
  );
  assert.deepEqual([...names(next)].sort(), ['block', 'goroutine', 'memory', 'mutex', 'process_cpu']);
  for (const { resources } of next.batches)
    assert.equal(getText(resources[0]?.resource.attributes ?? [], 'service.name'), 'go');
});

const only = (name: string, path: string): object => ({
  ...Object.fromEntries(
    ['memory', 'block', 'goroutine', 'mutex', 'process_cpu'].map((kind) => [kind, { enabled: false }]),
  ),
  custom: { [name]: { enabled: true, path } },
});

test('a target behind TLS, a password and a redirect is scraped; with a wrong password it is not', async (t) => {
  const certificates = makeCertificates();
  const server = `ssl_certificate @FOLDER@/server.crt; ssl_certificate_key @FOLDER@/server.key;
    auth_basic "x"; auth_basic_user_file @FOLDER@/htpasswd;
    location = /old { return 302 /debug/pprof/goroutine; }
    location / { proxy_pass http://${address}; }`;
  const nginx = await startNginx(t, 'ssl', server, {
    'server.crt': certificates.server.cert,
    'server.key': certificates.server.key,
    htpasswd: 'scraper:{PLAIN}secret\n',
  });
  const config = (password: string): object => ({
    targets: [{ __address__: `localhost:${nginx.port}` }],
    scheme: 'https',
    scrape_interval: '1s',
    basic_auth: { username: 'scraper', password },
    tls_config: { ca_pem: certificates.ca },
    profiling_config: only('stacks', '/old'),
  });
  const next = await scraping(t, config('secret'));
  await next.taken(1);
  assert.match(next.folded, /main\.main/);
  assert.deepEqual(nginx.requests().slice(0, 2), [
    '302 GET /old scraper',
    '200 GET /debug/pprof/goroutine scraper',
  ]);
  await scraping(t, config('wrong'));
  await until(() => nginx.requests().some((line) => line.startsWith('401 GET /debug/pprof/goroutine')));
});

test('the heap of a collector is scraped of its own pprof extension', async (t) => {
  const port = await freePort();
  const extension = pprofExtensionFactory.create(
    testSettings('pprof'),
    pprofExtensionFactory.schema.parse({ endpoint: `localhost:${port}` }),
  );
  await extension.start(testHost(), never());
  t.after(() => extension.shutdown(never()));
  const next = await scraping(t, {
    targets: [{ __address__: `localhost:${port}` }],
    scrape_interval: '1s',
    profiling_config: only('heap', '/debug/pprof/heap'),
  });
  await next.taken(1);
  assert.ok(next.sampleCount > 0);
});
