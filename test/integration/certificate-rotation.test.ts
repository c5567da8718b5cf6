// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { connect } from 'node:tls';
import type { Exporter } from '../../src/component/component.ts';
import { otlpGrpcExporterFactory } from '../../src/exporters/otlp-grpc/factory.ts';
import { otlpHttpExporterFactory } from '../../src/exporters/otlp-http/factory.ts';
import { makeCertificates, type TestCertificates } from '../../src/internal/testing/certificates.ts';
import { RecordingConsumer } from '../../src/internal/testing/recording-consumer.ts';
import { never, testHost, testSettings } from '../../src/internal/testing/settings.ts';
import { batchFromFolded } from '../../src/pdata/folded.ts';
import { otlpReceiverFactory } from '../../src/receivers/otlp/factory.ts';

const batch = batchFromFolded('main;work 2');
const folder = mkdtempSync(join(tmpdir(), 'rotation-'));
after(() => rmSync(folder, { recursive: true }));
const path = (name: string): string => join(folder, name);

/** As a certificate manager does it: each file at once, both sides' authorities before any certificate. */
function install(name: string, text: string): void {
  writeFileSync(path(`${name}.new`), text, { mode: 0o600 });
  renameSync(path(`${name}.new`), path(name));
}

function installCertificates({ server, client }: TestCertificates): void {
  install('server.crt', server.cert);
  install('server.key', server.key);
  install('client.crt', client.cert);
  install('client.key', client.key);
}

/** Serial number of the certificate that a new connection is shown. */
async function shownSerial(
  endpoint: string,
  ca: string[],
  pair: { cert: string; key: string },
): Promise<string> {
  const socket = connect({ host: 'localhost', port: Number(endpoint.split(':')[1]), ca, ...pair });
  await once(socket, 'secureConnect');
  const { serialNumber } = socket.getPeerCertificate();
  socket.destroy();
  return serialNumber;
}

describe('certificates of both sides that are replaced under load', () => {
  it('cost no request, and count for new connections', { timeout: 60_000 }, async (t) => {
    const [old, next] = [makeCertificates(), makeCertificates()];
    install('ca.crt', old.ca);
    installCertificates(old);
    const settings = testSettings('otlp');
    const taken = new RecordingConsumer();
    const serverTls = {
      cert_file: path('server.crt'),
      key_file: path('server.key'),
      client_ca_file: path('ca.crt'),
      reload_interval: '20ms',
    };
    const protocol = { endpoint: 'localhost:0', tls: serverTls };
    const config = otlpReceiverFactory.schema.parse({ protocols: { grpc: protocol, http: protocol } });
    const receiver = otlpReceiverFactory.create(settings, config, taken);
    await receiver.start(testHost(), never());
    t.after(() => receiver.shutdown(AbortSignal.abort()));
    const [grpc = '', http = ''] = settings.logger.entries
      .filter(({ message }) => message === 'OTLP server listens')
      .map(({ fields }) => String(fields['endpoint']));

    const clientTls = {
      cert_file: path('client.crt'),
      key_file: path('client.key'),
      ca_file: path('ca.crt'),
      reload_interval: '20ms',
    };
    const common = {
      tls: clientTls,
      sending_queue: { enabled: false },
      retry_on_failure: { enabled: false },
    };
    const open = async (factory: typeof otlpGrpcExporterFactory, more: object): Promise<Exporter> => {
      assert.equal(factory.kind, 'exporter');
      const exporter = factory.create(
        testSettings(factory.type),
        factory.schema.parse({ ...common, ...more }),
      );
      await exporter.start(testHost(), never());
      t.after(() => exporter.shutdown(AbortSignal.abort()));
      return exporter;
    };
    const exporters = await Promise.all([
      open(otlpGrpcExporterFactory, { endpoint: grpc, wait_for_ready: true }),
      open(otlpHttpExporterFactory, { endpoint: `https://${http}` }),
      // Each of its requests makes a connection.
      open(otlpHttpExporterFactory, { endpoint: `https://${http}`, disable_keep_alives: true }),
    ]);

    let isOver = false;
    const failures: unknown[] = [];
    let sent = 0;
    const load = exporters.map(async (exporter) => {
      while (!isOver) {
        try {
          await exporter.consumeProfiles(batch, never());
          sent++;
        } catch (error) {
          failures.push(error);
        }
      }
    });
    const ca = [old.ca, next.ca];
    const serials = () => Promise.all([grpc, http].map((at) => shownSerial(at, ca, old.client)));
    const before = await serials();
    install('ca.crt', ca.join(''));
    const reloads = (): number =>
      settings.logger.messages('info').filter((text) => text === 'TLS certificates were loaded again').length;
    // Both servers know both authorities before a certificate of the second one is shown.
    const moreSent = async (holds: () => boolean): Promise<void> => {
      while (!holds()) await new Promise((resolve) => setImmediate(resolve));
    };
    await moreSent(() => reloads() >= 2);
    const sentBefore = sent;
    await moreSent(() => sent > sentBefore + 200);
    installCertificates(next);
    let shown = await serials();
    while (shown.some((serial, index) => serial === before[index])) shown = await serials();
    const sentAfter = sent;
    await moreSent(() => sent > sentAfter + 500);
    isOver = true;
    await Promise.all(load);
    assert.deepEqual(failures, []);
    assert.equal(taken.batches.length, sent);
    t.diagnostic(`${sent} requests over three clients, none failed`);
  });
});
