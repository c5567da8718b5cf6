// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, describe, it, type TestContext } from 'node:test';
import { promisify } from 'node:util';
import { OAuth2Server } from 'oauth2-mock-server';
import { encodeOtlp } from '../../src/codecs/otlp/encode.ts';
import { listenHttp, sendText } from '../../src/internal/http-server.ts';
import { makeCertificates, type TestCertificates } from '../../src/internal/testing/certificates.ts';
import { batchFromFolded } from '../../src/pdata/folded.ts';
import { startNginx } from './nginx.ts';
import { startOtlpSink } from './otlp-sink.ts';
import { pythonEnv } from './python-env.ts';
import { runningService } from './running-service.ts';

const run = promisify(execFile);
const request = Buffer.from(encodeOtlp(batchFromFolded('main;work 2'), { revision: '1.10' }));
const BCRYPT = '$2y$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW';
const SINK = 'exporters: {nop: }';
const PROFILES = '/v1development/profiles';

const folder = mkdtempSync(join(tmpdir(), 'auth-'));
let certificates: TestCertificates;
before(() => {
  certificates = makeCertificates();
  writeFileSync(join(folder, 'ca.crt'), certificates.ca);
  writeFileSync(join(folder, 'server.crt'), certificates.server.cert);
  writeFileSync(join(folder, 'server.key'), certificates.server.key, { mode: 0o600 });
  writeFileSync(join(folder, 'request'), request);
});
after(() => rmSync(folder, { recursive: true }));

/** A collector whose receiver is guarded by an extension. */
const guarded = (extension: string, tls = '') => `
receivers:
  otlp:
    protocols:
      grpc: {endpoint: "localhost:0", auth: {authenticator: guard}${tls}}
      http: {endpoint: "localhost:0", auth: {authenticator: guard}${tls}}
${SINK}
extensions: ${extension.replace('guard', '{type}')}
service:
  extensions: [guard]
  pipelines: {profiles: {receivers: [otlp], exporters: [nop]}}
`;

/** What curl is answered to a POST of a request. */
async function curl(url: string, ...more: string[]): Promise<{ status: string; challenge: string }> {
  const format = '%{http_code} %header{www-authenticate}';
  const args = ['-s', '-o', '/dev/null', '-w', format, '-H', 'content-type: application/x-protobuf', ...more];
  const { stdout } = await run('curl', [...args, '--data-binary', `@${join(folder, 'request')}`, url]);
  const [status = '', ...rest] = stdout.split(' ');
  return { status, challenge: rest.join(' ') };
}

/** Sends one request to a collector that passes it on, and waits for the answer of the last in the chain. */
async function relayed(t: TestContext, exporter: string, extensions: string, names: string): Promise<number> {
  const { endpoints } = await runningService(
    t,
    `
receivers: {otlp: {protocols: {http: {endpoint: "localhost:0"}}}}
exporters: ${exporter}
extensions: ${extensions}
service:
  extensions: [${names}]
  pipelines: {profiles: {receivers: [otlp], exporters: [${exporter.replace(/^\{(\w+):.*$/s, '$1')}]}}
`,
  );
  const { status } = await curl(`http://${endpoints[0]}${PROFILES}`);
  return Number(status);
}
const NO_QUEUE = 'sending_queue: {enabled: false}, retry_on_failure: {enabled: false}';

describe('basicauth in front of a receiver', () => {
  it('is understood by curl', async (t) => {
    const yaml = guarded(`{basicauth/x: }`)
      .replaceAll('guard', 'basicauth/x')
      .replace(
        '{basicauth/x: }',
        `{basicauth/x: {htpasswd: {inline: "ann:${BCRYPT.replaceAll('$', '$$$$')}\\nbob:open:sesame"}}}`,
      );
    const { endpoints } = await runningService(t, yaml);
    const url = `http://${endpoints[1]}${PROFILES}`;
    assert.equal((await curl(url, '-u', 'ann:U*U')).status, '200');
    assert.equal((await curl(url, '-u', 'bob:open:sesame')).status, '200');
    const challenge = 'Basic realm="otelcol-profiles", charset="UTF-8"';
    assert.deepEqual(await curl(url, '-u', 'ann:U*U*'), { status: '401', challenge });
    assert.deepEqual(await curl(url, '-u', 'eve:U*U'), { status: '401', challenge });
    assert.deepEqual(await curl(url), { status: '401', challenge });
    assert.equal((await curl(`http://${endpoints[1]}/other`)).status, '401', 'paths are told to users only');
    assert.equal((await curl(`http://${endpoints[1]}/other`, '-u', 'ann:U*U')).status, '404');
  });

  it('is understood by grpcio with call credentials', async (t) => {
    const files = `cert_file: ${folder}/server.crt, key_file: ${folder}/server.key`;
    const yaml = guarded('', `, tls: {${files}}`)
      .replaceAll('guard', 'bearertokenauth')
      .replace('extensions: \n', 'extensions: {bearertokenauth: {tokens: [first, second]}}\n');
    const { endpoints } = await runningService(t, yaml);
    const { python, env } = pythonEnv();
    const script = join(import.meta.dirname, 'auth-client.py');
    const args = [script, endpoints[0] ?? '', join(folder, 'ca.crt')];
    const child = spawn(python, args, { env, stdio: ['pipe', 'pipe', 'inherit'] });
    child.stdin.end('Bearer first\nBearer second\nBearer third\nBasic Zmlyc3Q6\n\n');
    const lines: string[] = [];
    for await (const line of createInterface(child.stdout)) lines.push(line);
    assert.deepEqual(lines, [
      '0',
      '0',
      '16 the token is not valid',
      '16 header "authorization" must be "Bearer <token>"',
      '16 missing or empty header "authorization"',
    ]);
  });
});

describe('basicauth of an exporter', () => {
  it('passes auth_basic of nginx over HTTP, and a wrong password does not', async (t) => {
    const files = { htpasswd: 'ann:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\n' };
    const backend = await listenHttp({ endpoint: '127.0.0.1:0' }, (_, response) =>
      sendText(response, 200, ''),
    );
    t.after(() => backend.close(AbortSignal.abort()));
    const server = `auth_basic "x"; auth_basic_user_file @FOLDER@/htpasswd; location / { proxy_pass ${backend.url}; }`;
    const nginx = await startNginx(t, '', server, files);
    const exporter = `{otlp_http: {endpoint: "http://127.0.0.1:${nginx.port}", auth: {authenticator: basicauth}, ${NO_QUEUE}}}`;
    const extension = (password: string) =>
      `{basicauth: {client_auth: {username: ann, password: ${password}}}}`;
    assert.equal(await relayed(t, exporter, extension('password'), 'basicauth'), 200);
    assert.equal(await relayed(t, exporter, extension('wrong'), 'basicauth'), 500);
    assert.deepEqual(nginx.requests(), [`200 POST ${PROFILES} ann`, `401 POST ${PROFILES} ann`]);
  });

  it('passes auth_basic of nginx over gRPC and TLS', async (t) => {
    const sink = await startOtlpSink();
    t.after(() => sink.stop());
    const server = `ssl_certificate @FOLDER@/server.crt; ssl_certificate_key @FOLDER@/server.key;
      auth_basic "x"; auth_basic_user_file @FOLDER@/htpasswd;
      location / { grpc_pass grpc://127.0.0.1:${sink.port}; }`;
    const nginx = await startNginx(t, 'ssl http2', server, {
      htpasswd: 'ann:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\n',
      'server.crt': certificates.server.cert,
      'server.key': certificates.server.key,
    });
    const exporter = `{otlp_grpc: {endpoint: "localhost:${nginx.port}", balancer_name: pick_first, tls: {ca_file: ${folder}/ca.crt}, auth: {authenticator: basicauth}, wait_for_ready: true, ${NO_QUEUE}}}`;
    const extension = (password: string) =>
      `{basicauth: {client_auth: {username: ann, password: ${password}}}}`;
    assert.equal(await relayed(t, exporter, extension('password'), 'basicauth'), 200);
    assert.equal(await relayed(t, exporter, extension('wrong'), 'basicauth'), 500);
    assert.equal(sink.requests.length, 1);
  });
});

describe('a bearer token that is replaced', () => {
  it('is read again when the old one is refused, and no request is lost', async (t) => {
    const [server, client] = [join(folder, 'server-token'), join(folder, 'client-token')];
    for (const path of [server, client]) writeFileSync(path, 'old', { mode: 0o600 });
    const { endpoints } = await runningService(
      t,
      guarded('')
        .replaceAll('guard', 'bearertokenauth')
        .replace('extensions: \n', `extensions: {bearertokenauth: {filename: ${server}}}\n`),
    );
    const chain = await runningService(
      t,
      `
receivers: {otlp: {protocols: {http: {endpoint: "localhost:0"}}}}
exporters:
  otlp_grpc: {endpoint: "${endpoints[0]}", tls: {insecure: true}, auth: {authenticator: bearertokenauth}, ${NO_QUEUE}}
  otlp_http: {endpoint: "http://${endpoints[1]}", auth: {authenticator: bearertokenauth}, ${NO_QUEUE}}
extensions: {bearertokenauth: {filename: ${client}}}
service:
  extensions: [bearertokenauth]
  pipelines: {profiles: {receivers: [otlp], exporters: [otlp_grpc, otlp_http]}}
`,
    );
    const send = async (): Promise<string> => (await curl(`http://${chain.endpoints[0]}${PROFILES}`)).status;
    assert.equal(await send(), '200');
    writeFileSync(client, 'new');
    writeFileSync(server, 'new');
    // Neither side has looked at its file since: one looks for whom it does not know, the other when refused.
    const direct = await curl(`http://${endpoints[1]}${PROFILES}`, '-H', 'authorization: Bearer new');
    assert.equal(direct.status, '200');
    assert.equal(await send(), '200');
  });
});

describe('oauth2client of an exporter', () => {
  it('gives requests a token, and another where the server refuses it', async (t) => {
    const issuer = new OAuth2Server();
    await issuer.issuer.keys.generate('RS256');
    await issuer.start(0, '127.0.0.1');
    t.after(() => issuer.stop());
    const seen: string[] = [];
    const sink = await startOtlpSink(({ metadata }) => {
      seen.push(String(metadata.get('authorization')[0]));
      return seen.length === 1 ? { code: 16, details: 'expired' } : new Uint8Array(0);
    });
    t.after(() => sink.stop());
    const exporter = `{otlp_grpc: {endpoint: "127.0.0.1:${sink.port}", tls: {insecure: true}, auth: {authenticator: oauth2client}, wait_for_ready: true, ${NO_QUEUE}}}`;
    const extension = `{oauth2client: {client_id: a, client_secret: b, token_url: "http://127.0.0.1:${issuer.address().port}/token"}}`;
    assert.equal(await relayed(t, exporter, extension, 'oauth2client'), 200);
    assert.equal(seen.length, 2);
    assert.match(seen[0] ?? '', /^Bearer ey/);
  });

  it('fails requests for good where the client is refused, and for now where the server is away', async (t) => {
    const refusing = await startNginx(t, '', 'location / { return 403; }');
    const exporter = `{otlp_http: {endpoint: "http://127.0.0.1:1", auth: {authenticator: oauth2client}, ${NO_QUEUE}}}`;
    const extension = (port: number) =>
      `{oauth2client: {client_id: a, client_secret: b, token_url: "http://127.0.0.1:${port}/token"}}`;
    assert.equal(await relayed(t, exporter, extension(refusing.port), 'oauth2client'), 500);
    assert.equal(await relayed(t, exporter, extension(1), 'oauth2client'), 503);
  });
});

describe('headers_setter of an exporter', () => {
  it('changes what goes out over gRPC', async (t) => {
    const sink = await startOtlpSink();
    t.after(() => sink.stop());
    const exporter = `{otlp_grpc: {endpoint: "127.0.0.1:${sink.port}", tls: {insecure: true}, headers: {x-old: a, x-both: a}, auth: {authenticator: headers_setter}, wait_for_ready: true, ${NO_QUEUE}}}`;
    const rules =
      '[{key: X-Scope-OrgID, value: acme}, {key: x-old, action: delete}, {key: x-both, action: insert, value: b}]';
    assert.equal(await relayed(t, exporter, `{headers_setter: {headers: ${rules}}}`, 'headers_setter'), 200);
    const metadata = sink.requests[0]?.metadata;
    const values = ['x-scope-orgid', 'x-old', 'x-both'].map((name) => metadata?.get(name));
    assert.deepEqual(values, [['acme'], [], ['a']]);
  });
});
