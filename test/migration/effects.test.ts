// SPDX-License-Identifier: Apache-2.0
// What options of pyroscope.scrape and pyroscope.write do once they are converted and run.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createHttpsServer, type ServerOptions } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it, type TestContext } from 'node:test';
import { makeCertificates } from '../../src/internal/testing/certificates.ts';
import { freePort } from '../free-port.ts';
import { startFakePyroscope } from '../integration/fake-pyroscope.ts';
import { runningService } from '../integration/running-service.ts';
import { application, converted, until } from './running.ts';

const certificates = makeCertificates();
const folder = mkdtempSync(join(tmpdir(), 'migration-'));
after(() => rmSync(folder, { recursive: true }));

/** A text of River. */
const text = (value: string): string => JSON.stringify(value);
const pem = (name: string, content: string): string => {
  writeFileSync(join(folder, name), content, { mode: 0o600 });
  return text(join(folder, name));
};

const KINDS = ['memory', 'block', 'goroutine', 'mutex', 'process_cpu'];
const RARE = ['fgprof', 'godeltaprof_memory', 'godeltaprof_mutex', 'godeltaprof_block'];

describe('pyroscope.scrape, converted', () => {
  it('asks for what its options say', async (t) => {
    const paths = [...KINDS, ...RARE, 'heap', 'timed'].map((kind) => `/app/own/${kind}`);
    const served = Object.fromEntries(paths.map((path) => [path, 'go-goroutine']));
    const [target, store] = [
      await application(t, { served, tls: certificates.server }),
      await startFakePyroscope(),
    ];
    t.after(() => store.stop());
    const block = (name: string, enabled: boolean, delta: boolean): string =>
      `profile.${name} {\n enabled = ${enabled}\n path = ${text(`/own/${name.replace(/.*"(\w+)"/, '$1')}`)}\n delta = ${delta}\n}`;
    const scrape = (name: string, options: string, profiles: readonly string[]): string => `
      pyroscope.scrape "${name}" {
        targets    = [{"__address__" = ${text(target.address)}, "service_name" = "${name}"}]
        forward_to = [pyroscope.write.store.receiver]
        job_name   = "job of ${name}"
        scheme     = "https"
        ${options}
        tls_config {
          ca_pem = ${text(certificates.ca)}
        }
        profiling_config {
          path_prefix = "/app"
          ${profiles.join('\n')}
        }
      }`;
    const river = [
      // Everything that is off by default, and delta turned round.
      scrape('rare', 'scrape_interval = "2s"', [
        ...KINDS.map((kind) => block(kind, false, true)),
        ...RARE.map((kind) => block(kind, true, kind !== 'fgprof')),
        block('custom "heap"', true, false),
        block('custom "none"', false, false),
      ]),
      // Everything that is on by default; how long is said.
      scrape(
        'usual',
        'scrape_interval = "4s"\n delta_profiling_duration = "2s"\n params = {"tag" = ["a", "b c"], "debug" = ["0"]}',
        [
          ...KINDS.map((kind) => block(kind, true, kind !== 'process_cpu')),
          block('custom "timed"', true, true),
        ],
      ),
      `pyroscope.write "store" {\n endpoint { url = ${text(store.url)} }\n}`,
    ].join('\n');
    await runningService(t, converted(river, 'alloy'));
    const timed = (kind: string): string => `/app/own/${kind}?debug=0&seconds=2&tag=a&tag=b+c`;
    const want = [
      ...RARE.map((kind) => (kind === 'fgprof' ? '/app/own/fgprof' : `/app/own/${kind}?seconds=1`)),
      '/app/own/heap',
      ...KINDS.map((kind) =>
        kind === 'process_cpu' ? `/app/own/${kind}?debug=0&tag=a&tag=b+c` : timed(kind),
      ),
      timed('timed'),
    ];
    // Whoever sent its heap twice has asked for everything in between.
    const heaps = () => store.store.profiles.filter(({ typeId }) => typeId.startsWith('heap:'));
    await until(() => want.every((url) => target.asked.has(url)) && heaps().length >= 2);
    await until(() => store.store.profiles.length >= want.length);
    assert.deepEqual([...target.asked].sort(), want.sort());
    const jobs = new Set(
      store.store.profiles.map(({ labels }) => `${labels['service_name']}: ${labels['job']}`),
    );
    assert.deepEqual([...jobs].sort(), ['rare: job of rare', 'usual: job of usual']);
    const names = new Set(store.store.profiles.map(({ typeId }) => typeId.replace(/:.*/, '')));
    assert.deepEqual([...names].sort(), ['fgprof', 'heap', 'timed', ...KINDS].sort());
    assert.deepEqual(store.store.rejections, []);
  });
});

interface Seen {
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
}

/** A server that takes everything, or answers as it is told. */
async function endpoint(
  t: TestContext,
  tls?: ServerOptions,
  answer: (response: ServerResponse) => void = (response) =>
    response.writeHead(200, { 'content-type': 'application/proto' }).end(),
): Promise<{ port: number; seen: Seen[] }> {
  const seen: Seen[] = [];
  const serve = (request: IncomingMessage, response: ServerResponse): void => {
    request.resume();
    seen.push({ url: request.url ?? '', headers: request.headers });
    answer(response);
  };
  const server = tls === undefined ? createServer(serve) : createHttpsServer(tls, serve);
  await new Promise<void>((resolve) => server.listen(0, resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, seen };
}

describe('pyroscope.write, converted', () => {
  /** Runs endpoints behind a receiver of /ingest, and sends one profile; gives the log. */
  async function sent(t: TestContext, endpoints: readonly string[]): Promise<readonly string[]> {
    const port = await freePort();
    const river = `
      pyroscope.receive_http "in" {
        http {
          listen_address = "127.0.0.1"
          listen_port    = ${port}
        }
        forward_to = [pyroscope.write.out.receiver]
      }
      pyroscope.write "out" {
        ${endpoints.map((options) => `endpoint {\n${options}\n}`).join('\n')}
      }`;
    const { log } = await runningService(t, converted(river, 'alloy'));
    const answer = await fetch(`http://127.0.0.1:${port}/ingest?name=shop&format=folded`, {
      method: 'POST',
      body: 'main;work 3',
    });
    assert.equal(answer.status, 200, await answer.text());
    return log;
  }

  it('speaks TLS as its endpoint says', async (t) => {
    const asks = { ca: certificates.ca, requestCert: true, rejectUnauthorized: true };
    const servers = [
      await endpoint(t, { ...certificates.server, ...asks }),
      await endpoint(t, { ...certificates.server, ...asks }),
      await endpoint(t, certificates.server),
      await endpoint(t, { ...certificates.server, maxVersion: 'TLSv1.2' }),
    ];
    const [files, texts, anybody, old] = servers.map(({ port }) => port);
    const { cert, key } = certificates.client;
    const ca = pem('ca.pem', certificates.ca);
    // The certificate is not for 127.0.0.2.
    const log = await sent(t, [
      `name = "files"\n url = "https://127.0.0.2:${files}"\n tls_config {\n ca_file = ${ca}\n cert_file = ${pem('cert.pem', cert)}\n key_file = ${pem('key.pem', key)}\n server_name = "localhost"\n}`,
      `name = "texts"\n url = "https://127.0.0.1:${texts}"\n tls_config {\n ca_pem = ${text(certificates.ca)}\n cert_pem = ${text(cert)}\n key_pem = ${text(key)}\n}`,
      `name = "anybody"\n url = "https://127.0.0.2:${anybody}"\n tls_config {\n insecure_skip_verify = true\n}`,
      `name = "old"\n url = "https://127.0.0.1:${old}"\n tls_config {\n ca_file = ${ca}\n min_version = "TLS13"\n}`,
    ]);
    await until(() => servers.slice(0, 3).every(({ seen }) => seen.length === 1));
    await until(() => log.some((line) => /pyroscope\/out_old.*(protocol|version)/i.test(line)));
    assert.equal(servers[3]?.seen.length, 0);
    assert.ok(
      !log.some((line) => /"level":"(warn|error)".*out_(files|texts|anybody)/.test(line)),
      log.join('\n'),
    );
  });

  it('sends what its endpoint says, for as long and as often', async (t) => {
    const tokens = await endpoint(t, undefined, (response) =>
      response.end(JSON.stringify({ access_token: 'issued', token_type: 'bearer' })),
    );
    const [headers, oauth2, proxy] = [await endpoint(t), await endpoint(t), await endpoint(t)];
    const down = await endpoint(t, undefined, (response) => response.writeHead(503).end());
    const log = await sent(t, [
      `name = "headers"\n url = "http://127.0.0.1:${headers.port}"\n remote_timeout = "3s"\n headers = {"X-Scope-OrgID" = "team"}\n http_headers = {"X-Two" = ["a", "b"]}`,
      `name = "oauth2"\n url = "http://127.0.0.1:${oauth2.port}"\n oauth2 {\n client_id = "id"\n client_secret = "s"\n token_url = "http://127.0.0.1:${tokens.port}/token"\n}`,
      `name = "proxy"\n url = "http://store.example"\n proxy_url = "http://127.0.0.1:${proxy.port}"`,
      `name = "down"\n url = "http://127.0.0.1:${down.port}"\n min_backoff_period = "100ms"\n max_backoff_period = "200ms"\n max_backoff_retries = 3`,
    ]);
    await until(() => [headers, oauth2, proxy].every(({ seen }) => seen.length === 1));
    const first = headers.seen[0]?.headers;
    assert.deepEqual(
      [first?.['x-scope-orgid'], first?.['x-two'], first?.['connect-timeout-ms']],
      ['team', 'a, b', '3000'],
    );
    assert.equal(oauth2.seen[0]?.headers.authorization, 'Bearer issued');
    assert.equal(proxy.seen[0]?.url, 'http://store.example/push.v1.PusherService/Push');
    // By default it would go on for minutes.
    await until(() => log.some((line) => /"level":"error".*pyroscope\/out_down/.test(line)));
    assert.ok(down.seen.length >= 3, `${down.seen.length} attempts`);
  });
});
