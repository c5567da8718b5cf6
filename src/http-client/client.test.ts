// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { rename, writeFile } from 'node:fs/promises';
import { createSecureServer } from 'node:http2';
import { createServer as createHttpsServer } from 'node:https';
import { createServer as createNetServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { before, describe, it, type TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { makeCertificates, type TestCertificates } from '../internal/testing/certificates.ts';
import { FakeClock } from '../internal/testing/fake-clock.ts';
import type { ConfiguredClient } from './client.ts';
import {
  basic,
  client,
  folder,
  get,
  listening,
  proxy,
  type Seen,
  type Serve,
  server,
} from './testing/servers.ts';

describe('what a request carries', () => {
  const cases: readonly (readonly [config: object, authorization: string | undefined])[] = [
    [{}, undefined],
    [{ basic_auth: { username: 'u', password: 'p:w' } }, basic('u:p:w')],
    [{ basic_auth: { password: 'p' } }, basic(':p')],
    [{ bearer_token: 't' }, 'Bearer t'],
    [{ authorization: { credentials: 'c' } }, 'Bearer c'],
    [{ authorization: { type: 'Token', credentials: 'c' } }, 'Token c'],
  ];
  for (const [config, authorization] of cases)
    it(`is of the configuration: ${JSON.stringify(config)}`, async (t) => {
      const { url, seen } = await server(t);
      const { status, body } = await get(await client(t, config), `${url}/a?b=c`);
      assert.deepEqual([status, body.toString()], [200, 'hello']);
      assert.deepEqual([seen[0]?.headers.authorization, seen[0]?.url], [authorization, '/a?b=c']);
    });

  it('is of files, as they are now', async (t) => {
    const { url, seen } = await server(t);
    const path = await folder(t);
    const file = async (name: string, text: string): Promise<string> => {
      await writeFile(join(path, `${name}.new`), text, { mode: 0o600 });
      await rename(join(path, `${name}.new`), join(path, name));
      return join(path, name);
    };
    const clock = new FakeClock();
    const username_file = await file('user', 'u\n');
    const password_file = await file('password', 'one\n');
    const header = await file('header', 'h1\n');
    const config = {
      basic_auth: { username_file, password_file },
      http_headers: { 'X-Secret': { values: ['v'], files: [header] } },
    };
    const made = await client(t, config, { clock });
    await get(made, url);
    await file('password', 'two');
    await file('header', 'h2');
    await get(made, url);
    await clock.advance(1_000);
    await get(made, url);
    assert.deepEqual(
      seen.map(({ headers }) => [headers.authorization, headers['x-secret']]),
      [
        [basic('u:one'), 'v, h1'],
        [basic('u:one'), 'v, h1'],
        [basic('u:two'), 'v, h2'],
      ],
    );
    for (const missing of [
      { bearer_token_file: join(path, 'none') },
      { authorization: { credentials_file: join(path, 'none') } },
      { oauth2: { client_id: 'a', token_url: 'http://127.0.0.1:1', client_secret_file: join(path, 'none') } },
      { tls_config: { ca_file: join(path, 'none') } },
    ])
      await assert.rejects(client(t, missing), /failed to load .*none"/);
  });

  it('is what the code says where both say it, and the user of a URL', async (t) => {
    const { url, seen } = await server(t);
    const made = await client(t, { http_headers: { 'x-a': ['1'], 'x-b': 'b' }, bearer_token: 't' });
    await get(made, url.replace('//', '//user:p%20w@'), { headers: { 'X-A': '2' } });
    const headers = seen[0]?.headers ?? {};
    assert.deepEqual([headers['x-a'], headers['x-b'], headers.authorization], ['2', 'b', basic('user:p w')]);
  });

  it('is a token that is got once, and again where it is refused', async (t) => {
    let issued = 0;
    const tokens = await server(t, (_, response) =>
      response.end(JSON.stringify({ access_token: `t${++issued}`, token_type: 'bearer', expires_in: 3600 })),
    );
    const { url, seen } = await server(t, ({ headers }, response) =>
      response
        .writeHead(headers.authorization === 'Bearer t1' && issued === 1 && seen.length > 2 ? 401 : 200)
        .end(),
    );
    const oauth2 = {
      client_id: 'id',
      client_secret: 'secret',
      scopes: ['a', 'b'],
      endpoint_params: { audience: 'x' },
      token_url: `${tokens.url}/token`,
    };
    const made = await client(t, { oauth2 });
    const statuses = [];
    for (let i = 0; i < 3; i++) statuses.push((await get(made, url)).status);
    assert.deepEqual(statuses, [200, 200, 200]);
    assert.deepEqual(
      seen.map(({ headers }) => headers.authorization),
      ['Bearer t1', 'Bearer t1', 'Bearer t1', 'Bearer t2'],
    );
    assert.equal(tokens.seen[0]?.headers.authorization, basic('id:secret'));
    assert.equal(tokens.seen[0]?.body, 'grant_type=client_credentials&scope=a+b&audience=x');
  });
});

describe('a redirect', () => {
  const to =
    (location: () => string, status = 302): Serve =>
    (request, response) =>
      request.url === '/end'
        ? response.end('end')
        : response.writeHead(status, { location: location() }).end();

  it('is followed with credentials on one origin', async (t) => {
    const { url, seen } = await server(
      t,
      to(() => '/end'),
    );
    const made = await client(t, { bearer_token: 't', http_headers: { 'x-s': ['s'] } });
    assert.equal((await get(made, `${url}/a`)).body.toString(), 'end');
    assert.deepEqual([seen[1]?.headers.authorization, seen[1]?.headers['x-s']], ['Bearer t', 's']);
  });

  it('takes no credential to another origin, nor back from there', async (t) => {
    const urls = { first: '', second: '' };
    const first = await server(
      t,
      to(() => `${urls.second}/a`),
    );
    const second = await server(
      t,
      to(() => `${urls.first}/end`),
    );
    Object.assign(urls, { first: first.url, second: second.url });
    const made = await client(t, { basic_auth: { username: 'u' }, http_headers: { 'x-s': ['s'] } });
    const headers = { accept: 'text/plain', 'x-scope-orgid': 'tenant', cookie: 'c' };
    assert.equal((await get(made, `${first.url}/a`, { headers })).body.toString(), 'end');
    const secrets = ({ headers: h }: Seen) => [
      h.authorization,
      h['x-s'],
      h['x-scope-orgid'],
      h.cookie,
      h.accept,
    ];
    assert.deepEqual(first.seen.map(secrets), [
      [basic('u:'), 's', 'tenant', 'c', 'text/plain'],
      [undefined, undefined, undefined, undefined, 'text/plain'],
    ]);
    assert.deepEqual(second.seen.map(secrets), [[undefined, undefined, undefined, undefined, 'text/plain']]);
  });

  it('repeats what was sent for 307 and 308, and asks with GET for the others', async (t) => {
    for (const [status, method, body] of [
      [307, 'POST', 'data'],
      [308, 'POST', 'data'],
      [303, 'GET', ''],
    ] as const) {
      const { url, seen } = await server(
        t,
        to(() => '/end', status),
      );
      const made = await client(t, {});
      await get(made, `${url}/a`, { method: 'POST', body: 'data', headers: { 'content-type': 'text/x' } });
      assert.deepEqual([seen[1]?.method, seen[1]?.body], [method, body]);
      assert.equal(seen[1]?.headers['content-type'], method === 'POST' ? 'text/x' : undefined);
    }
  });

  it('is followed ten times, to HTTP only, and not at all where that is not wanted', async (t) => {
    const endless = await server(
      t,
      to(() => '/again'),
    );
    await assert.rejects(get(await client(t, {}), `${endless.url}/a`), /stopped after 10 redirects/);
    assert.equal(endless.seen.length, 11);
    const odd = await server(
      t,
      to(() => 'file:///etc/passwd'),
    );
    await assert.rejects(get(await client(t, {}), `${odd.url}/a`), /the scheme "file:"/);
    const made = await client(t, { follow_redirects: false });
    assert.equal((await get(made, `${endless.url}/a`)).status, 302);
  });
});

describe('an answer', () => {
  it('is refused where it is too large, said or not', async (t) => {
    const said = await server(t, (_, response) => response.end('x'.repeat(1_001)));
    const unsaid = await server(t, (_, response) => {
      for (let i = 0; i < 100; i++) response.write('x'.repeat(100));
      response.end();
    });
    for (const { url } of [said, unsaid]) {
      const made = await client(t, {});
      await assert.rejects(get(made, `${url}/a?token=hidden`), {
        message: `${url}/a: the answer is larger than 1000 bytes`,
      });
      assert.equal((await get(made, url, { maxBytes: 20_000 })).status, 200);
    }
  });

  it('that does not come ends with the signal, and names the server', async (t) => {
    const { url } = await server(t, () => undefined);
    const made = await client(t, {});
    const reason = new Error('too late');
    const stop = new AbortController();
    const asked = get(made, url, { signal: stop.signal });
    stop.abort(reason);
    await assert.rejects(asked, reason);
    await assert.rejects(get(made, 'http://u:hidden@127.0.0.1:1/a?b=hidden'), (error) => {
      assert.ok(error instanceof Error);
      assert.match(error.message, /^no answer from http:\/\/127\.0\.0\.1:1\/a: .*ECONNREFUSED/);
      return true;
    });
  });

  it('is not waited for any longer where the connection is what does not come', async (t) => {
    const silent = createNetServer((socket) => socket.resume());
    const port = await listening(t, silent);
    const sockets: Socket[] = [];
    silent.on('connection', (socket) => sockets.push(socket));
    t.after(() => sockets.forEach((socket) => socket.destroy()));
    const ask = async (made: ConfiguredClient, url: string) => {
      const ending = new AbortController();
      const answer = get(made, url, { signal: ending.signal });
      await once(silent, 'connection');
      ending.abort(new Error('enough'));
      // A test that fails must not wait for undici's patience.
      const late = delay(2_000, 'late', { ref: false });
      await assert.rejects(Promise.race([answer, late]), /enough/);
    };
    await ask(await client(t, {}), `https://127.0.0.1:${port}`);
    await ask(await client(t, { proxy_url: `http://127.0.0.1:${port}` }), 'https://far.example');
  });

  it('is not waited for by a client that closes, nor is its connection', async (t) => {
    const silent = createNetServer((socket) => socket.resume());
    const port = await listening(t, silent);
    for (const config of [{}, { enable_http2: false }]) {
      const made = await client(t, config);
      const refused = assert.rejects(get(made, `https://127.0.0.1:${port}`), /no answer from/);
      const [socket] = (await once(silent, 'connection')) as [Socket];
      t.after(() => void socket.destroy());
      await made.close();
      await refused;
      const late = delay(2_000, 'late', { ref: false });
      assert.notEqual(await Promise.race([once(socket, 'close'), late]), 'late');
    }
  });

  it('can be cut short while it streams', async (t) => {
    const { url } = await server(t, (_, response) => response.writeHead(200).write('first'));
    const made = await client(t, {});
    const stop = new AbortController();
    const { status, body } = await made.stream({ url, signal: stop.signal });
    assert.equal(status, 200);
    await assert.rejects(async () => {
      for await (const chunk of body) {
        assert.equal(chunk.toString(), 'first');
        stop.abort(new Error('enough'));
      }
    });
  });
});

describe('a connection that was kept', () => {
  // Ends when it is asked for the second time, which the server does not see as a request any more.
  const ending = async (t: TestContext, end: (socket: Socket) => void) => {
    const used = new Set<Socket>();
    return server(t, ({ socket }, response) => {
      if (used.has(socket)) return end(socket);
      used.add(socket);
      response.end('hello');
    });
  };
  for (const [how, end] of [
    ['closed', (socket: Socket) => socket.destroy()],
    ['reset', (socket: Socket) => socket.resetAndDestroy()],
  ] as const)
    it(`and is ${how} as it is used again is replaced, unless there is a body`, async (t) => {
      const { url, seen } = await ending(t, end);
      const made = await client(t, {});
      for (let i = 0; i < 3; i++) {
        const { body } = await get(made, url);
        assert.equal(body.toString(), 'hello');
        await new Promise(setImmediate); // free again
      }
      assert.equal(seen.length, 5);
      await assert.rejects(get(made, url, { method: 'POST', body: 'once' }), /no answer from/);
      assert.deepEqual(
        seen.map(({ body }) => body),
        ['', '', '', '', '', 'once'],
      );
    });

  it('is the only one that is replaced: a server that closes a new one is asked once', async (t) => {
    const { url, seen } = await server(t, ({ socket }) => socket.destroy());
    await assert.rejects(get(await client(t, {}), url), /no answer from .*: other side closed/);
    assert.equal(seen.length, 1);
  });
});

describe('a proxy', () => {
  it('forwards plain requests and tunnels TLS, with headers for the tunnel only', async (t) => {
    const { ca, server: certificate } = makeCertificates();
    const secure = createHttpsServer(certificate, (request, response) =>
      response.end(`hello ${String(request.headers['x-connect'] ?? 'nothing')}`),
    );
    t.after(() => secure.closeAllConnections());
    const port = await listening(t, secure);
    const { url, seen } = await proxy(t);
    const made = await client(t, {
      proxy_url: url.replace('//', '//u:p@'),
      proxy_connect_header: { 'X-Connect': ['1'] },
      tls_config: { ca },
    });
    assert.equal((await get(made, 'http://plain.example:81/x?y')).body.toString(), 'through the proxy');
    assert.equal((await get(made, `https://localhost:${port}/`)).body.toString(), 'hello nothing');
    assert.deepEqual(
      seen.map(({ method, target, headers }) => [method, target, headers['x-connect']]),
      [
        ['GET', 'http://plain.example:81/x?y', undefined],
        ['CONNECT', `localhost:${port}`, '1'],
      ],
    );
    assert.equal(seen[1]?.headers['proxy-authorization'], basic('u:p'));
  });

  it('is told a user without a password too', async (t) => {
    const through = await proxy(t);
    const made = await client(t, { proxy_url: through.url.replace('//', '//k%40y@') });
    await get(made, 'http://far.example/');
    assert.equal(through.seen[0]?.headers['proxy-authorization'], basic('k@y:'));
  });

  it('is passed by for hosts of no_proxy and of this machine, and taken from the environment', async (t) => {
    const { url: target, seen } = await server(t);
    const { url, seen: asked } = await proxy(t);
    await get(await client(t, { proxy_url: url, no_proxy: 'x.example' }), target);
    assert.deepEqual([seen.length, asked.length], [1, 0]);
    await get(await client(t, { proxy_url: url }), target);
    assert.deepEqual([seen.length, asked.length], [1, 1]);
    const before = process.env.HTTP_PROXY;
    process.env.HTTP_PROXY = url;
    t.after(() => {
      if (before === undefined) delete process.env.HTTP_PROXY;
      else process.env.HTTP_PROXY = before;
    });
    await get(await client(t, { proxy_from_environment: true }), 'http://plain.example/');
    assert.equal(asked[1]?.target, 'http://plain.example/');
  });
});

describe('TLS', () => {
  let own: TestCertificates;
  let other: TestCertificates;
  before(() => {
    own = makeCertificates();
    other = makeCertificates();
  });

  async function secure(t: TestContext, options: object): Promise<string> {
    const made = createHttpsServer({ ...own.server, ...options }, (_, response) => response.end('secure'));
    t.after(() => made.closeAllConnections());
    return `https://127.0.0.1:${await listening(t, made)}/`;
  }

  it('proves the server by the authority, by another name, or not at all', async (t) => {
    const url = await secure(t, {});
    await assert.rejects(get(await client(t, {}), url), /no answer from .*certificate/);
    await assert.rejects(
      get(await client(t, { tls_config: { ca: other.ca } }), url),
      /certificate|signature/,
    );
    const named = { ca: own.ca, server_name: 'elsewhere.example' };
    await assert.rejects(get(await client(t, { tls_config: named }), url), /elsewhere\.example/);
    const good = [
      { ca_pem: own.ca },
      { ca: own.ca, server_name: 'localhost' },
      { insecure_skip_verify: true },
    ];
    for (const tls_config of good)
      assert.equal((await get(await client(t, { tls_config }), url)).body.toString(), 'secure');
  });

  it('shows a certificate, keeps to versions and speaks HTTP/1.1 where there is no other', async (t) => {
    const url = await secure(t, {
      ca: own.ca,
      requestCert: true,
      rejectUnauthorized: true,
      maxVersion: 'TLSv1.2',
    });
    const { cert, key } = own.client;
    const tls_config = { ca: own.ca, cert, key_pem: key };
    assert.equal((await get(await client(t, { tls_config }), url)).status, 200);
    await assert.rejects(get(await client(t, { tls_config: { ca: own.ca } }), url));
    await assert.rejects(
      get(await client(t, { tls_config: { ...tls_config, min_version: 'TLS13' } }), url),
      /protocol version|ssl|handshake/i,
    );
  });

  it('opens another connection where one of HTTP/2 does not answer any more', async (t) => {
    let sessions = 0;
    const made = createSecureServer(own.server);
    made.on('session', (session) => {
      const number = ++sessions;
      t.after(() => session.destroy());
      session.on('stream', (stream) => {
        stream.on('error', () => undefined);
        if (number > 1) stream.respond({ ':status': 200 }, { endStream: true });
      });
    });
    const url = `https://127.0.0.1:${await listening(t, made)}/`;
    const from = await client(t, { tls_config: { ca: own.ca } });
    const stop = new AbortController();
    made.once('stream', () => stop.abort(new Error('late')));
    await assert.rejects(get(from, url, { signal: stop.signal }), /late/);
    assert.deepEqual([(await get(from, url)).status, (await get(from, url)).status, sessions], [200, 200, 2]);
  });

  it('has the files of now', async (t) => {
    const url = await secure(t, {});
    const ca_file = join(await folder(t), 'ca.pem');
    await writeFile(ca_file, other.ca);
    const clock = new FakeClock();
    const made = await client(t, { tls_config: { ca_file } }, { clock });
    await assert.rejects(get(made, url));
    await writeFile(ca_file, own.ca);
    await clock.advance(1_000);
    assert.equal((await get(made, url)).body.toString(), 'secure');
  });
});
