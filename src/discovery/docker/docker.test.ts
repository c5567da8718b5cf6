// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:http';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { listenHttp, sendText } from '../../internal/http-server.ts';
import { type SourceUnderTest, runSource } from '../testing/run-source.ts';
import { dockerSdSchema } from './config.ts';
import { dockerSource } from './source.ts';

const NETWORKS = [
  {
    Id: 'net-a',
    Name: 'alpha',
    Scope: 'local',
    Internal: false,
    Ingress: false,
    Labels: { 'team.name': 'x' },
  },
  { Id: 'net-b', Name: 'beta', Scope: 'local', Internal: true, Ingress: false, Labels: {} },
  { Id: 'net-host', Name: 'host', Scope: 'local', Internal: false, Ingress: false, Labels: null },
];

const WEB = {
  Id: 'aaa111',
  Names: ['/web', '/other'],
  Labels: { 'com.example.app': 'web', 'com/example/app': 'last' },
  HostConfig: { NetworkMode: 'alpha' },
  Ports: [
    { PrivatePort: 8080, PublicPort: 32768, IP: '0.0.0.0', Type: 'tcp' },
    { PrivatePort: 53, Type: 'udp' },
    { PrivatePort: 9090, Type: 'tcp' },
  ],
  NetworkSettings: {
    Networks: {
      beta: { NetworkID: 'net-b', IPAddress: '10.0.1.2' },
      alpha: { NetworkID: 'net-a', IPAddress: '10.0.0.2' },
      absent: null,
    },
  },
};
const SIDECAR = {
  Id: 'bbb222',
  Names: ['/sidecar'],
  HostConfig: { NetworkMode: 'container:aaa111' },
  NetworkSettings: { Networks: {} },
};
const ON_HOST = {
  Id: 'ccc333',
  Names: ['/agent'],
  HostConfig: { NetworkMode: 'host' },
  NetworkSettings: { Networks: { host: { NetworkID: 'net-host', IPAddress: '' } } },
};
const ALONE = {
  Id: 'ddd444',
  Names: ['/alone'],
  HostConfig: { NetworkMode: 'none' },
  NetworkSettings: { Networks: { none: { NetworkID: 'net-none', IPAddress: '' } } },
};

async function discover(
  t: TestContext,
  containers: unknown,
  config: object = {},
): Promise<{ run: SourceUnderTest; asked: string[]; seen: IncomingMessage[] }> {
  const asked: string[] = [];
  const seen: IncomingMessage[] = [];
  const server = await listenHttp({ endpoint: '127.0.0.1:0' }, (request, response) => {
    // Told apart from the questions: it goes on for as long as the source does.
    if (request.url?.startsWith('/events') === true) {
      response.writeHead(404).end();
      return;
    }
    seen.push(request);
    asked.push(decodeURIComponent(request.url ?? ''));
    const answer = request.url?.startsWith('/networks') === true ? NETWORKS : containers;
    sendText(response, 200, JSON.stringify(answer), 'application/json');
  });
  t.after(() => server.close(AbortSignal.abort()));
  const host = server.url.replace('http:', 'tcp:');
  const run = runSource(t, (context) => dockerSource(dockerSdSchema.parse({ host, ...config }), context));
  await run.next();
  return { run, asked, seen };
}

describe('docker_sd_configs', () => {
  it('makes a target of each TCP port in the network that sorts first', async (t) => {
    const { run } = await discover(t, [WEB]);
    const common = {
      __meta_docker_container_id: 'aaa111',
      __meta_docker_container_label_com_example_app: 'last',
      __meta_docker_container_name: '/web',
      __meta_docker_container_network_mode: 'alpha',
      __meta_docker_network_id: 'net-a',
      __meta_docker_network_ingress: 'false',
      __meta_docker_network_internal: 'false',
      __meta_docker_network_ip: '10.0.0.2',
      __meta_docker_network_label_team_name: 'x',
      __meta_docker_network_name: 'alpha',
      __meta_docker_network_scope: 'local',
    };
    assert.deepEqual(run.targets(), [
      {
        ...common,
        __address__: '10.0.0.2:8080',
        __meta_docker_port_private: '8080',
        __meta_docker_port_public: '32768',
        __meta_docker_port_public_ip: '0.0.0.0',
      },
      { ...common, __address__: '10.0.0.2:9090', __meta_docker_port_private: '9090' },
    ]);
  });

  it('makes one in every network where that is wanted', async (t) => {
    const { run } = await discover(t, [WEB], { match_first_network: false });
    assert.deepEqual(run.addresses(), ['10.0.0.2:8080', '10.0.0.2:9090', '10.0.1.2:8080', '10.0.1.2:9090']);
    assert.equal(run.targets()[2]?.['__meta_docker_network_internal'], 'true');
  });

  it('finds containers in the network of another one, of the host, and of none', async (t) => {
    const config = { port: 4040, host_networking_host: 'node-7' };
    const { run } = await discover(t, [SIDECAR, WEB, ON_HOST, ALONE], config);
    const address = (name: string): string | undefined =>
      run.targets().find((labels) => labels['__meta_docker_container_name'] === name)?.['__address__'];
    assert.deepEqual(['/sidecar', '/agent', '/alone'].map(address), ['10.0.0.2:4040', 'node-7', undefined]);
    assert.equal(run.targets().length, 5);
  });

  it('survives containers that share their networks in a circle, and answers that make no sense', async (t) => {
    const circle = [
      { ...SIDECAR, Id: 'a', HostConfig: { NetworkMode: 'container:b' } },
      { ...SIDECAR, Id: 'b', HostConfig: { NetworkMode: 'container:a' } },
      { Id: 'c', Names: [] },
      { Names: 'x' },
      null,
      7,
      WEB,
    ];
    const { run } = await discover(t, circle);
    assert.deepEqual(run.addresses(), ['10.0.0.2:8080', '10.0.0.2:9090']);
    const { run: other } = await discover(t, { message: 'what' });
    assert.equal(other.running.status.lastError, 'the answer to GET /containers/json is no list');
  });

  it('asks with filters, and over HTTP with credentials', async (t) => {
    const filters = [
      { name: 'label', values: ['a=b', 'c'] },
      { name: 'status', values: ['running'] },
    ];
    const { asked } = await discover(t, [], { filters });
    assert.deepEqual(asked, [
      '/containers/json?filters={"label":["a=b","c"],"status":["running"]}',
      '/networks',
    ]);
    const server = await listenHttp({ endpoint: '127.0.0.1:0' }, (request, response) => {
      const isKnown =
        request.headers.authorization === 'Bearer t' && request.url?.startsWith('/docker/') === true;
      const [status, body] = isKnown ? [200, '[]'] : [403, '{"message":"no"}'];
      sendText(response, status, body, 'application/json');
    });
    t.after(() => server.close(AbortSignal.abort()));
    for (const [config, error] of [
      [{ bearer_token: 't' }, undefined],
      [{}, 'no'],
    ] as const) {
      const parsed = dockerSdSchema.parse({ host: `${server.url}/docker/`, ...config });
      const run = runSource(t, (context) => dockerSource(parsed, context));
      await run.next();
      assert.equal(run.running.status.lastError, error);
    }
  });

  it('asks a socket, and says what does not count for one', async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'docker-'));
    t.after(() => rm(folder, { recursive: true }));
    const path = join(folder, 'socket');
    const server = createServer((request, response) =>
      response.end(JSON.stringify(request.url?.startsWith('/networks') === true ? NETWORKS : [ON_HOST])),
    ).listen(path);
    await once(server, 'listening');
    t.after(() => server.close().closeAllConnections());
    const config = dockerSdSchema.parse({ host: `unix://${path}`, bearer_token: 't' });
    const run = runSource(t, (context) => dockerSource(config, context));
    await run.next();
    assert.deepEqual(run.addresses(), ['localhost']);
    const [entry] = run.settings.logger.entries.filter(({ level }) => level === 'warn');
    assert.deepEqual(entry?.fields['options'], ['bearer_token']);
    const away = dockerSdSchema.parse({ host: 'unix:///nowhere/docker.sock' });
    const other = runSource(t, (context) => dockerSource(away, context));
    await other.next();
    assert.match(
      other.running.status.lastError ?? '',
      /^no answer from unix:\/nowhere\/docker\.sock \/containers\/json: .*ENOENT/,
    );
  });

  it('asks again when the daemon tells of a change', async (t) => {
    const containers: object[] = [WEB];
    const streams: ServerResponse[] = [];
    const opened: string[] = [];
    const server = await listenHttp({ endpoint: '127.0.0.1:0' }, (request, response) => {
      const url = decodeURIComponent(request.url ?? '');
      if (url.startsWith('/events')) {
        opened.push(url);
        streams.push(response.writeHead(200));
        response.flushHeaders();
        return;
      }
      const answer = url.startsWith('/networks') ? NETWORKS : containers;
      sendText(response, 200, JSON.stringify(answer), 'application/json');
    });
    t.after(() => server.close(AbortSignal.abort()));
    const host = server.url.replace('http:', 'tcp:');
    const config = dockerSdSchema.parse({ host, refresh_interval: '1000h' });
    const run = runSource(t, (context) => dockerSource(config, context));
    const until = async (count: number): Promise<void> => {
      for (let turns = 0; run.addresses().length !== count || streams.length === 0; turns++) {
        assert.ok(turns < 50_000, `there are ${run.addresses().length} targets`);
        await run.clock.advance(10);
      }
    };
    await until(2);
    assert.deepEqual(opened, [
      '/events?filters={"type":["container","network"],"event":["start","die","destroy","rename","connect","disconnect"]}',
    ]);
    containers.push(ON_HOST);
    streams[0]?.write('{"status":"start"}\n');
    await until(3);
    streams.shift()?.end();
    containers.pop();
    // What happened while nobody listened is seen when it is listened again.
    await until(2);
    await run.stop();
    assert.equal(run.clock.pending.length, 0);
  });

  it('asks again after refresh_interval', { timeout: 10_000 }, async (t) => {
    const { run, asked } = await discover(t, [WEB], { refresh_interval: '40s' });
    const [before, again] = [asked.length, run.next()];
    await run.clock.advance(40_000);
    await again;
    assert.deepEqual(asked.slice(before), asked.slice(0, before));
  });

  it('refuses hosts and intervals that are none', () => {
    const messages = (config: object): string[] =>
      dockerSdSchema.safeParse(config).error?.issues.map(({ message }) => message) ?? [];
    assert.deepEqual(messages({}), ['host attribute must not be empty']);
    assert.match(
      messages({ host: 'ssh://a' })[0] ?? '',
      /^parsing host attribute: docker host "ssh:\/\/a" is not/,
    );
    assert.deepEqual(messages({ host: 'tcp://a:1', refresh_interval: '0s' }), [
      'refresh_interval must be greater than 0',
    ]);
  });
});
