// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request as httpsRequest } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Client, credentials, type ServiceError } from '@grpc/grpc-js';
import { encodeOtlp } from '../../codecs/otlp/encode.ts';
import { makeCertificates, type TestCertificates } from '../../internal/testing/certificates.ts';
import { RecordingConsumer } from '../../internal/testing/recording-consumer.ts';
import { never, testHost, testSettings } from '../../internal/testing/settings.ts';
import { batchFromFolded } from '../../pdata/folded.ts';
import { otlpReceiverSchema } from './config.ts';
import { EXPORT } from './grpc-server.ts';
import { OtlpReceiver } from './receiver.ts';

const asIs = (bytes: Buffer): Buffer => bytes;
const body = Buffer.from(encodeOtlp(batchFromFolded('main;work 2'), { revision: '1.10' }));

describe('the OTLP receiver with TLS and client certificates', () => {
  const next = new RecordingConsumer();
  const settings = testSettings('otlp');
  const dir = mkdtempSync(join(tmpdir(), 'otlp-tls-'));
  let certificates: TestCertificates;
  let receiver: OtlpReceiver;
  let grpc = '';
  let http = '';

  before(async () => {
    certificates = makeCertificates();
    const caFile = join(dir, 'ca.crt');
    writeFileSync(caFile, certificates.ca);
    const { cert, key } = certificates.server;
    const tls = { cert_pem: cert, key_pem: key, client_ca_file: caFile, min_version: '1.3' };
    const config = otlpReceiverSchema.parse({
      protocols: { grpc: { endpoint: 'localhost:0', tls }, http: { endpoint: 'localhost:0', tls } },
    });
    receiver = new OtlpReceiver(settings, config, next);
    await receiver.start(testHost(), never());
    [grpc = '', http = ''] = settings.logger.entries.map((entry) => String(entry.fields['endpoint']));
  });
  after(async () => {
    await receiver.shutdown(never());
    rmSync(dir, { recursive: true });
  });

  function sendGrpc(withCertificate: boolean): Promise<void> {
    const { cert, key } = certificates.client;
    const pem = (text: string): Buffer | null => (withCertificate ? Buffer.from(text) : null);
    const client = new Client(grpc, credentials.createSsl(Buffer.from(certificates.ca), pem(key), pem(cert)));
    return new Promise<void>((resolve, reject) => {
      client.makeUnaryRequest(EXPORT, asIs, asIs, body, (error) =>
        error === null ? resolve() : reject(error),
      );
    }).finally(() => client.close());
  }

  function sendHttp(withCertificate: boolean): Promise<number> {
    const { ca, client } = certificates;
    return new Promise((resolve, reject) => {
      const request = httpsRequest(
        `https://${http}/v1development/profiles`,
        {
          method: 'POST',
          headers: { 'content-type': 'application/x-protobuf' },
          ca,
          agent: false,
          ...(withCertificate && client),
        },
        (response) => response.resume().once('end', () => resolve(response.statusCode ?? 0)),
      );
      request.once('error', reject).end(body);
    });
  }

  it('takes requests of clients with a certificate', async () => {
    await sendGrpc(true);
    assert.equal(await sendHttp(true), 200);
    assert.equal(next.batches.length, 2);
  });

  it('refuses clients without one', async () => {
    const before = next.offered.length;
    await assert.rejects(sendGrpc(false), (error: ServiceError) => error.code === 14);
    await assert.rejects(sendHttp(false), /alert|ECONNRESET|socket hang up/);
    assert.equal(next.offered.length, before);
  });

  it('names the file that cannot be read', async () => {
    const tls = { cert_file: '/nowhere/cert.pem', key_file: '/nowhere/key.pem' };
    const config = otlpReceiverSchema.parse({ protocols: { grpc: { endpoint: 'localhost:0', tls } } });
    const broken = new OtlpReceiver(testSettings('otlp'), config, next);
    await assert.rejects(broken.start(testHost(), never()), /failed to load (cert|key)_file "\/nowhere\//);
  });
});
