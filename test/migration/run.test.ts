// SPDX-License-Identifier: Apache-2.0
// The configurations that the documentation prints, converted and run: what its applications serve arrives under
// its labels.
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { makeCertificates } from '../../src/internal/testing/certificates.ts';
import { ERAS } from '../../src/migration/components/table.ts';
import { convert } from '../../src/migration/convert.ts';
import { SyntaxIssues } from '../../src/migration/syntax/token.ts';
import { WITHOUT_ROOT } from '../left-out.ts';
import { startFakePyroscope, type FakePyroscope } from '../integration/fake-pyroscope.ts';
import { PATIENT, runningService } from '../integration/running-service.ts';
import { application, converted, printed, until } from './running.ts';

describe('a configuration of the documentation', () => {
  it('scrapes what it says, and sends it where it says', async (t) => {
    const [pyroscope, agent, store] = [
      await application(t),
      await application(t),
      await startFakePyroscope(),
    ];
    t.after(() => store.stop());
    const yaml = converted(
      printed('004-scrape.agent', {
        '"localhost:4100", "service_name"': `"${pyroscope.address}", "service_name"`,
        'localhost:12345': agent.address,
        'http://localhost:4100': store.url,
      }),
      'agent',
    );
    await runningService(t, yaml);
    const { profiles } = store.store;
    const found = (name: string, service: string) =>
      profiles.find(
        ({ typeId, labels }) => typeId.startsWith(`${name}:`) && labels['service_name'] === service,
      );
    const all = ['process_cpu', 'goroutine', 'fgprof'].flatMap((name) =>
      ['pyroscope', 'agent'].map((service) => [name, service] as const),
    );
    await until(() => all.every(([name, service]) => found(name, service) !== undefined));
    for (const [name, service] of all) {
      const labels = found(name, service)?.labels;
      const { address } = service === 'agent' ? agent : pyroscope;
      assert.equal(labels?.['instance'], address);
      assert.equal(labels?.['job'], 'pyroscope.scrape.local');
    }
    // The list of the documentation.
    const list = [
      '/debug/fgprof?seconds=14',
      '/debug/pprof/allocs',
      '/debug/pprof/goroutine',
      '/debug/pprof/profile?seconds=14',
    ];
    const hosts = [pyroscope, agent];
    // Of what holds totals the first scrape sends nothing, so that it may come after all others were sent.
    await until(() => hosts.every(({ asked }) => list.every((path) => asked.has(path))));
    for (const { asked } of hosts) assert.deepEqual([...asked].sort(), list);
    assert.deepEqual(store.store.rejections, []);
  });
});

describe('every configuration of the documentation', () => {
  const folder = mkdtempSync(join(tmpdir(), 'documentation-'));
  after(() => rmSync(folder, { recursive: true }));

  /** Secrets and certificates that files name, in a folder of this test. */
  function withFiles(text: string): string {
    const { ca, client } = makeCertificates();
    const contents: Readonly<Record<string, string>> = {
      'ca.pem': ca,
      'cert.pem': client.cert,
      'key.pem': client.key,
    };
    return text.replaceAll(/"\/etc\/([\w.]+)"/g, (_, name: string) => {
      writeFileSync(join(folder, name), contents[name] ?? 'secret', { mode: 0o600 });
      return JSON.stringify(join(folder, name));
    });
  }

  /** A server in the place that the documentation leaves to the environment. */
  async function cloud(t: TestContext): Promise<FakePyroscope> {
    const store = await startFakePyroscope();
    t.after(() => store.stop());
    const given = {
      GC_URL: store.url,
      GC_USER: 'user',
      GC_PASSWORD: 'password',
      TOKEN: 'token',
      HOSTNAME: 'node',
    };
    for (const [name, value] of Object.entries(given)) {
      const before = process.env[name];
      process.env[name] = value;
      t.after(() => {
        if (before === undefined) delete process.env[name];
        else process.env[name] = before;
      });
    }
    return store;
  }

  const names = readdirSync(fileURLToPath(new URL('seeds', import.meta.url)))
    .filter((name) => name.endsWith('.river'))
    .map((name) => name.slice(0, -'.river'.length));
  for (const name of names) {
    const era = ERAS.find((one) => name.endsWith(`.${one}`)) ?? 'alloy';
    const text = printed(name);
    const needsRoot = /\.ebpf "/.test(text);
    it(`starts and stops: ${name}`, { skip: needsRoot && WITHOUT_ROOT, timeout: 120_000 }, async (t) => {
      await cloud(t);
      // One page prints a block without its last braces.
      if (name.includes('as-printed')) {
        const options = { era, file: name, environment: {}, readModule: () => undefined };
        return assert.throws(() => convert(text, options), SyntaxIssues);
      }
      const { service, log } = await runningService(t, converted(withFiles(text), era), false, PATIENT);
      await service.shutdown(AbortSignal.timeout(PATIENT.limitMs));
      assert.ok(!log.some((line) => line.includes('"level":"fatal"')), log.join('\n'));
    });
  }

  it('profiles the processes that it discovers, and sends them with the password of the environment', {
    skip: WITHOUT_ROOT,
    timeout: 120_000,
  }, async (t) => {
    const { store, requests } = await cloud(t);
    await runningService(t, converted(printed('001-ebpf.agent'), 'agent'), false, PATIENT);
    await until(() => store.profiles.length > 0);
    assert.match(store.profiles[0]?.typeId ?? '', /^process_cpu:cpu:nanoseconds:cpu:nanoseconds$/);
    assert.equal(store.profiles[0]?.labels['service_name'], 'unspecified');
    const authorization = `Basic ${Buffer.from('user:password').toString('base64')}`;
    assert.equal(requests[0]?.headers['authorization'], authorization);
  });
});
