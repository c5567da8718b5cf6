// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { createServer as createHttpsServer } from 'node:https';
import type { ServerOptions } from 'node:https';
import { join } from 'node:path';
import { before, describe, it, type TestContext } from 'node:test';
import { makeCertificates, type TestCertificates } from '../internal/testing/certificates.ts';
import { basic, client, folder, get, listening, proxy, server } from './testing/servers.ts';

/** Writes files and returns their paths. */
async function files(
  t: TestContext,
  texts: Readonly<Record<string, string>>,
): Promise<Record<string, string>> {
  const path = await folder(t);
  const written: Record<string, string> = {};
  for (const [name, text] of Object.entries(texts)) {
    written[name] = join(path, name);
    await writeFile(join(path, name), text, { mode: 0o600 });
  }
  return written;
}

const TOKEN = JSON.stringify({ access_token: 'issued', token_type: 'bearer', expires_in: 3600 });

describe('files of secrets', () => {
  it('are the token, the credentials and the secret of OAuth 2.0 that are sent', async (t) => {
    const tokens = await server(t, (_, response) => response.end(TOKEN));
    const { url, seen } = await server(t);
    const { secret = '' } = await files(t, { secret: 'of a file\n' });
    const oauth2 = { client_id: 'id', client_secret_file: secret, token_url: tokens.url };
    for (const config of [
      { bearer_token_file: secret },
      { authorization: { type: 'Key', credentials_file: secret } },
      { basic_auth: { username: 'ada', password_file: secret } },
      { oauth2 },
    ])
      await get(await client(t, config), url);
    assert.deepEqual(
      seen.map(({ headers }) => headers.authorization),
      ['Bearer of a file', 'Key of a file', basic('ada:of a file'), 'Bearer issued'],
    );
    assert.equal(tokens.seen[0]?.headers.authorization, basic('id:of+a+file'));
  });
});

describe('TLS towards servers that ask who the client is', () => {
  let own: TestCertificates;
  before(() => {
    own = makeCertificates();
  });

  /** Knows whoever shows a certificate of the authority; answers with tokens, which is a text like any other. */
  async function secure(t: TestContext, options: ServerOptions = {}): Promise<number> {
    const asks = { ca: own.ca, requestCert: true, rejectUnauthorized: true };
    const made = createHttpsServer({ ...own.server, ...asks, ...options }, (_, response) =>
      response.end(TOKEN),
    );
    t.after(() => made.closeAllConnections());
    return listening(t, made);
  }

  /** What is right, and what is wrong in one key each. */
  async function ways(t: TestContext) {
    const { cert, key } = own.client;
    const { ca_file, cert_file, key_file } = await files(t, {
      ca_file: own.ca,
      cert_file: cert,
      key_file: key,
    });
    const right = { ca_file, cert_file, key_file, server_name: 'localhost', min_version: 'TLS12' };
    return {
      right: [
        right,
        { ca_pem: own.ca, cert_pem: cert, key_pem: key },
        { insecure_skip_verify: true, cert_file, key_file },
      ],
      wrong: [
        {},
        { ca_file },
        { cert_file, key_file },
        { ...right, server_name: 'elsewhere.example' },
        { ...right, min_version: 'TLS13' },
      ],
    };
  }

  it('is as tls_config says, certificates of texts and of files', async (t) => {
    const url = `https://127.0.0.1:${await secure(t, { maxVersion: 'TLSv1.2' })}/`;
    const { right, wrong } = await ways(t);
    for (const tls_config of right)
      assert.equal((await get(await client(t, { tls_config }), url)).status, 200);
    for (const tls_config of wrong) await assert.rejects(get(await client(t, { tls_config }), url));
  });

  it('is as tls_config in oauth2 says where a token is asked for', async (t) => {
    const token_url = `https://127.0.0.1:${await secure(t, { maxVersion: 'TLSv1.2' })}/`;
    const { url, seen } = await server(t);
    const { right, wrong } = await ways(t);
    const oauth2 = { client_id: 'id', client_secret: 's', token_url };
    for (const tls_config of right) {
      const made = await client(t, { oauth2: { ...oauth2, tls_config } });
      assert.equal((await get(made, url)).status, 200);
    }
    for (const tls_config of wrong)
      await assert.rejects(get(await client(t, { oauth2: { ...oauth2, tls_config } }), url));
    assert.deepEqual(
      seen.map(({ headers }) => headers.authorization),
      right.map(() => 'Bearer issued'),
    );
  });

  it('goes through the proxy that oauth2 names, and requests themselves do not', async (t) => {
    const port = await secure(t, { requestCert: false });
    const { url, seen } = await server(t);
    const { url: proxy_url, seen: asked } = await proxy(t);
    const ask = async (more: object): Promise<void> => {
      const tls_config = { ca_pem: own.ca };
      const oauth2 = {
        client_id: 'id',
        client_secret: 's',
        token_url: `https://localhost:${port}/`,
        tls_config,
      };
      await get(await client(t, { oauth2: { ...oauth2, ...more } }), url);
    };
    await ask({ proxy_url, proxy_connect_header: { 'X-Connect': ['1'] } });
    const tunnels = () => asked.map(({ target, headers }) => [target, headers['x-connect']]);
    assert.deepEqual(tunnels(), [[`localhost:${port}`, '1']]);
    // With no_proxy what is on this host needs none.
    await ask({ proxy_url, no_proxy: 'x.example' });
    assert.equal(asked.length, 1);
    assert.equal(seen.length, 2);
  });

  it('takes the proxy towards the authorization server from the environment where oauth2 says so', async (t) => {
    const tokens = await server(t, (_, response) => response.end(TOKEN));
    const { url } = await server(t);
    const before = process.env['HTTP_PROXY'];
    process.env['HTTP_PROXY'] = tokens.url;
    t.after(() => {
      if (before === undefined) delete process.env['HTTP_PROXY'];
      else process.env['HTTP_PROXY'] = before;
    });
    const oauth2 = { client_id: 'id', client_secret: 's', token_url: 'http://login.example/token' };
    await get(await client(t, { oauth2: { ...oauth2, proxy_from_environment: true } }), url);
    assert.equal(tokens.seen[0]?.url, 'http://login.example/token');
  });
});
