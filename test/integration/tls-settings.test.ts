// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { createServer as createTlsServer, type TLSSocket } from 'node:tls';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it, type TestContext } from 'node:test';
import { otlpGrpcExporterFactory } from '../../src/exporters/otlp-grpc/factory.ts';
import { otlpHttpExporterFactory } from '../../src/exporters/otlp-http/factory.ts';
import { makeCertificates, type TestCertificates } from '../../src/internal/testing/certificates.ts';
import { never, testHost, testSettings } from '../../src/internal/testing/settings.ts';
import { batchFromFolded } from '../../src/pdata/folded.ts';
import { startNginx } from './nginx.ts';
import { startOtlpSink } from './otlp-sink.ts';
import { runningService } from './running-service.ts';

const folder = mkdtempSync(join(tmpdir(), 'tls-settings-'));
const batch = batchFromFolded('main;work 2');
let certificates: TestCertificates;
before(() => {
  certificates = makeCertificates();
  writeFileSync(join(folder, 'ca.crt'), certificates.ca);
});
after(() => rmSync(folder, { recursive: true }));

/** Endpoints of a receiver with these TLS settings, over gRPC and HTTP. */
async function receiver(t: TestContext, settings: string): Promise<readonly string[]> {
  const { cert, key } = certificates.server;
  const tls = `{cert_pem: ${JSON.stringify(cert)}, key_pem: ${JSON.stringify(key)}, ${settings}}`;
  const { endpoints } = await runningService(
    t,
    `
receivers: {otlp: {protocols: {grpc: {endpoint: "localhost:0", tls: ${tls}}, http: {endpoint: "localhost:0", tls: ${tls}}}}}
exporters: {nop: }
service: {pipelines: {profiles: {receivers: [otlp], exporters: [nop]}}}
`,
  );
  return endpoints;
}

/** Protocol and cipher that `openssl s_client` agrees on, or "none". */
async function agreed(endpoint: string, ...args: string[]): Promise<string> {
  const child = spawn('openssl', ['s_client', '-connect', endpoint, '-alpn', 'h2,http/1.1', ...args], {
    stdio: ['pipe', 'pipe', 'ignore'],
    // Debian's own settings do not offer what is old.
    env: { ...process.env, OPENSSL_CONF: '/dev/null' },
  });
  child.stdin.end();
  let said = '';
  child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
  await once(child, 'close');
  const [, protocol = '', cipher = ''] = /^New, (\S+), Cipher is (\S+)/m.exec(said) ?? [];
  return cipher === '(NONE)' || cipher === '' ? 'none' : `${protocol} ${cipher}`;
}

describe('the versions and ciphers of a server', () => {
  it('begin at 1.2 and end at 1.3', async (t) => {
    for (const endpoint of await receiver(t, '')) {
      assert.match(await agreed(endpoint), /^TLSv1\.3 /);
      assert.match(await agreed(endpoint, '-tls1_2'), /^TLSv1\.2 ECDHE/);
      assert.equal(await agreed(endpoint, '-tls1_1', '-cipher', 'ALL:@SECLEVEL=0'), 'none');
    }
  });

  it('are those that are configured', async (t) => {
    for (const endpoint of await receiver(t, 'min_version: "1.3"'))
      assert.equal(await agreed(endpoint, '-tls1_2'), 'none');
    for (const endpoint of await receiver(t, 'max_version: "1.2"'))
      assert.match(await agreed(endpoint), /^TLSv1\.2 /);
    for (const endpoint of await receiver(t, 'min_version: "1.0"'))
      assert.match(await agreed(endpoint, '-tls1', '-cipher', 'ALL:@SECLEVEL=0'), /^TLSv1(\.0)? |^SSLv3 /);
  });

  it('are the suites by the names of Go, and those of TLS 1.3 beside them', async (t) => {
    const suites = 'cipher_suites: [TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256]';
    for (const endpoint of await receiver(t, suites)) {
      assert.match(await agreed(endpoint), /^TLSv1\.3 /);
      assert.equal(await agreed(endpoint, '-tls1_2'), 'TLSv1.2 ECDHE-ECDSA-CHACHA20-POLY1305');
      assert.equal(await agreed(endpoint, '-tls1_2', '-cipher', 'ECDHE-ECDSA-AES128-GCM-SHA256'), 'none');
    }
  });

  it('are the curves by the names of Go', async (t) => {
    for (const endpoint of await receiver(t, 'curve_preferences: [P384]')) {
      assert.match(await agreed(endpoint, '-groups', 'P-384'), /^TLSv1\.3 /);
      assert.equal(await agreed(endpoint, '-groups', 'X25519'), 'none');
    }
  });
});

/** Sends one batch; resolves, or rejects with what the exporter says. */
async function deliver(factory: typeof otlpGrpcExporterFactory, config: object): Promise<void> {
  assert.equal(factory.kind, 'exporter');
  const plain = { sending_queue: { enabled: false }, retry_on_failure: { enabled: false } };
  const exporter = factory.create(testSettings(factory.type), factory.schema.parse({ ...plain, ...config }));
  await exporter.start(testHost(), never());
  try {
    await exporter.consumeProfiles(batch, never());
  } finally {
    await exporter.shutdown(AbortSignal.abort());
  }
}

describe('the TLS of clients, with nginx that asks for certificates', () => {
  it('proves both sides', async (t) => {
    const sink = await startOtlpSink();
    t.after(() => sink.stop());
    const server = `ssl_certificate @FOLDER@/server.crt; ssl_certificate_key @FOLDER@/server.key;
      ssl_client_certificate @FOLDER@/ca.crt; ssl_verify_client on;
      location / { grpc_pass grpc://127.0.0.1:${sink.port}; }`;
    const nginx = await startNginx(t, 'ssl http2', server, {
      'server.crt': certificates.server.cert,
      'server.key': certificates.server.key,
      'ca.crt': certificates.ca,
    });
    const { cert: cert_pem, key: key_pem } = certificates.client;
    const [ca_file, pair] = [join(folder, 'ca.crt'), { cert_pem, key_pem }];
    const send = (tls: object): Promise<void> =>
      deliver(otlpGrpcExporterFactory, {
        endpoint: `127.0.0.1:${nginx.port}`,
        timeout: '3s',
        tls,
      });
    await send({ ca_file, ...pair });
    await send({ ca_pem: certificates.ca, ...pair, server_name_override: 'localhost' });
    await send({ insecure_skip_verify: true, ...pair });
    await send({ ca_file, include_system_ca_certs_pool: true, ...pair });
    assert.equal(sink.requests.length, 4);
    await assert.rejects(send({ ca_file }), /400/);
    await assert.rejects(send(pair), /certificate/);
    await assert.rejects(send({ ca_file, ...pair, server_name_override: 'elsewhere' }), /elsewhere/);
    assert.equal(sink.requests.length, 4);
  });

  it('offers no version beyond max_version', async (t) => {
    const { cert, key } = certificates.server;
    const server = createTlsServer({ cert, key }, (socket: TLSSocket) => {
      seen.push(socket.getProtocol());
      socket.destroy();
    });
    const seen: (string | null)[] = [];
    await once(server.listen(0, '127.0.0.1'), 'listening');
    t.after(() => server.close());
    const endpoint = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const tls = { ca_file: join(folder, 'ca.crt'), max_version: '1.2' };
    await assert.rejects(deliver(otlpHttpExporterFactory, { endpoint, tls }), /no answer/);
    assert.deepEqual(seen, ['TLSv1.2']);
  });
});
