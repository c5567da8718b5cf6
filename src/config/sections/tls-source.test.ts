// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { TlsOptions } from 'node:tls';
import { makeCertificates, type TestCertificates } from '../../internal/testing/certificates.ts';
import { FakeClock } from '../../internal/testing/fake-clock.ts';
import { RecordingLogger } from '../../internal/testing/recording-telemetry.ts';
import { systemRoots } from './system-roots.ts';
import { loadTlsMaterial } from './tls-material.ts';
import { openClientTls, openServerTls } from './tls-source.ts';
import { tlsClientSchema, tlsServerSchema } from './tls.ts';

describe('certificates that change', () => {
  const folder = mkdtempSync(join(tmpdir(), 'tls-source-'));
  const [cert, key, ca] = ['cert.pem', 'key.pem', 'ca.pem'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  let [first, second]: TestCertificates[] = [];
  before(() => ([first, second] = [makeCertificates(), makeCertificates()]));
  after(() => rmSync(folder, { recursive: true }));

  function write(what: TestCertificates | undefined, parts = [cert, key, ca]): void {
    assert.ok(what !== undefined);
    if (parts.includes(cert)) writeFileSync(cert, what.server.cert);
    if (parts.includes(key)) writeFileSync(key, what.server.key, { mode: 0o600 });
    if (parts.includes(ca)) writeFileSync(ca, what.ca);
  }

  async function server(more: object) {
    write(first);
    const config = tlsServerSchema.parse({ cert_file: cert, key_file: key, ...more });
    const [clock, logger, applied] = [new FakeClock(), new RecordingLogger(), [] as TlsOptions[]];
    const tls = await openServerTls(config, logger, clock);
    const timer = tls?.watchTls?.((options) => applied.push(options));
    /** Files are read in the background of the clock, so it moves on until it has happened. */
    const tickUntil = async (ms: number, holds: () => boolean): Promise<void> => {
      while (!holds()) await clock.advance(ms);
    };
    return { tls, clock, logger, applied, timer, tickUntil };
  }

  it('are not looked at unless that is asked for', async () => {
    const { tls, clock } = await server({ client_ca_file: ca });
    assert.equal(tls?.watchTls, undefined);
    assert.deepEqual(clock.pending, []);
  });

  it('come to the server after reload_interval', async () => {
    const { applied, logger, tickUntil, timer, clock } = await server({ reload_interval: '10s' });
    assert.deepEqual(clock.pending, [10_000]);
    write(second);
    await tickUntil(10_000, () => applied.length > 0);
    assert.equal(applied[0]?.cert, second?.server.cert);
    assert.deepEqual(logger.messages(), ['TLS certificates were loaded again']);
    timer?.cancel();
    assert.deepEqual(clock.pending, []);
  });

  it('stay as they were while a certificate is there without its key, and that is told', async () => {
    const { applied, logger, tickUntil } = await server({ reload_interval: '10s' });
    write(second, [cert]);
    await tickUntil(10_000, () => logger.messages('warn').length > 0);
    assert.equal(applied.length, 0);
    write(second, [key]);
    await tickUntil(10_000, () => applied.length > 0);
    assert.equal(applied[0]?.cert, second?.server.cert);
    assert.equal(logger.messages('warn').length, 1);
  });

  it('of clients count a second later with client_ca_file_reload', async () => {
    const more = { client_ca_file: ca, client_ca_file_reload: true };
    const { tls, applied, tickUntil, clock } = await server(more);
    assert.deepEqual([tls?.tls.ca, tls?.tls.rejectUnauthorized], [[first?.ca], true]);
    assert.deepEqual(clock.pending, [1_000]);
    write(second, [ca]);
    await tickUntil(1_000, () => applied.length > 0);
    assert.deepEqual(applied[0]?.ca, [second?.ca]);
    assert.equal(applied[0]?.requestCert, true);
  });

  it('come to a client with its next request after reload_interval', async () => {
    write(first);
    const clock = new FakeClock();
    const config = tlsClientSchema.parse({ ca_file: ca, reload_interval: '10s', server_name_override: 'a' });
    const current = await openClientTls(config, new RecordingLogger(), clock);
    const before = await current();
    assert.deepEqual([before.servername, before.rejectUnauthorized], ['a', true]);
    write(second);
    assert.equal(await current(), before);
    await clock.advance(10_000);
    const after = await current();
    assert.notEqual(after.secureContext, before.secureContext);
    assert.equal(await current(), after);
    assert.deepEqual(clock.pending, [], 'an idle client has no timer');
  });

  it('must be good at the start, and the key should be readable by nobody else', async () => {
    write(first);
    write(second, [cert]);
    const files = { cert_file: cert, key_file: key };
    const bad = tlsServerSchema.parse(files);
    await assert.rejects(
      openServerTls(bad, new RecordingLogger()),
      /certificates and keys cannot be used: .*mismatch/,
    );
    write(first);
    chmodSync(key, 0o644);
    const logger = new RecordingLogger();
    await openServerTls(tlsServerSchema.parse(files), logger);
    assert.deepEqual(logger.entries[0]?.fields['path'], key);
  });

  it('of authorities that prove servers let no client in', async () => {
    write(first);
    const config = tlsServerSchema.parse({
      cert_file: cert,
      key_file: key,
      ca_file: cert,
      client_ca_file: ca,
      include_system_ca_certs_pool: true,
    });
    assert.deepEqual((await loadTlsMaterial(config)).ca, [first?.ca]);
  });

  it('of the host prove servers where no others are named', async () => {
    write(first);
    assert.equal(await systemRoots({ SSL_CERT_FILE: ca }), first?.ca);
    await assert.rejects(
      systemRoots({ SSL_CERT_FILE: '/no/file' }),
      /failed to load SSL_CERT_FILE "\/no\/file"/,
    );
    assert.deepEqual((await loadTlsMaterial(tlsClientSchema.parse({}))).ca, [await systemRoots()]);
  });
});
