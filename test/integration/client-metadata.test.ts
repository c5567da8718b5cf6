// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Client, credentials, Metadata } from '@grpc/grpc-js';
import { decodeOtlp } from '../../src/codecs/otlp/decode.ts';
import { encodeOtlp } from '../../src/codecs/otlp/encode.ts';
import { listenHttp, readBody } from '../../src/internal/http-server.ts';
import { batchFromFolded } from '../../src/pdata/folded.ts';
import { startOtlpSink } from './otlp-sink.ts';
import { runningService } from './running-service.ts';

const EXPORT = '/opentelemetry.proto.collector.profiles.v1development.ProfilesService/Export';
const request = (name: string): Buffer =>
  Buffer.from(encodeOtlp(batchFromFolded(`main;${name} 1`), { revision: '1.10' }));

/** A gateway of several tenants: who sends over HTTP or gRPC says whose profiles they are, and the back end is told. */
const gateway = (port: number, receiver: string, queue: string): string => `
receivers:
  otlp:
    protocols:
      grpc: {endpoint: "localhost:0"${receiver}}
      http: {endpoint: "localhost:0"${receiver}}
processors:
  batch: {timeout: 50ms, metadata_keys: [X-Tenant]}
  resource: {attributes: [{key: tenant, action: upsert, from_context: x-tenant}]}
extensions:
  headers_setter:
    headers: [{key: X-Scope-OrgID, from_context: X-Tenant, default_value: anonymous}]
exporters:
  otlp_grpc:
    endpoint: "127.0.0.1:${port}"
    tls: {insecure: true}
    auth: {authenticator: headers_setter}
    sending_queue: ${queue}
service:
  extensions: [headers_setter]
  pipelines: {profiles: {receivers: [otlp], processors: [batch, resource], exporters: [otlp_grpc]}}
`;

/** What came to the back end: tenant by header, tenant by attribute, function. */
function arrived(sink: Awaited<ReturnType<typeof startOtlpSink>>): string[] {
  return sink.requests
    .flatMap(({ bytes, metadata }) => {
      const { dictionary, resources } = decodeOtlp(bytes);
      const { strings } = dictionary.tables;
      const names = Array.from({ length: strings.length }, (_, row) => dictionary.text(row));
      return resources.map(({ resource }) => {
        const tenant = resource.attributes.find(({ key }) => key === 'tenant')?.value;
        const functions = names.filter((name) => /^of_/.test(name)).sort();
        return `${metadata.get('x-scope-orgid').join()} ${tenant?.kind === 'string' ? tenant.value : '-'} ${functions.join()}`;
      });
    })
    .sort();
}

describe('what a client says beside its profiles', () => {
  for (const [name, queue] of [
    ['a queue', '{}'],
    ['a queue that joins', '{batch: {min_size: 100, flush_timeout: 50ms}}'],
    ['no queue', '{enabled: false}'],
  ] as const) {
    it(`reaches processors and the back end through ${name}, and is nobody else's`, async (t) => {
      const sink = await startOtlpSink();
      t.after(() => sink.stop());
      const { endpoints } = await runningService(t, gateway(sink.port, ', include_metadata: true', queue));
      const client = new Client(endpoints[0] ?? '', credentials.createInsecure());
      t.after(() => client.close());
      const overGrpc = (tenant: string, body: Buffer) =>
        new Promise<void>((resolve, reject) => {
          const metadata = new Metadata();
          metadata.set('X-Tenant', tenant);
          const asIs = (bytes: Buffer): Buffer => bytes;
          client.makeUnaryRequest(EXPORT, asIs, asIs, body, metadata, (error) =>
            error ? reject(error) : resolve(),
          );
        });
      const overHttp = async (headers: Record<string, string>, body: Buffer): Promise<void> => {
        const answer = await fetch(`http://${endpoints[1]}/v1development/profiles`, {
          method: 'POST',
          headers: { 'content-type': 'application/x-protobuf', ...headers },
          body: new Uint8Array(body),
        });
        assert.equal(answer.status, 200);
      };
      await Promise.all([
        overGrpc('red', request('of_red')),
        overHttp({ 'x-tenant': 'blue' }, request('of_blue')),
        overHttp({}, request('of_nobody')),
      ]);
      while (sink.requests.length < 3) await new Promise((resolve) => setTimeout(resolve, 10));
      assert.deepEqual(arrived(sink), ['anonymous - of_nobody', 'blue blue of_blue', 'red red of_red']);
    });
  }

  for (const type of ['otlp_http', 'pyroscope']) {
    it(`reaches the back end of ${type}, which joins nobody's profiles with another's`, async (t) => {
      const tenants: string[] = [];
      const backEnd = await listenHttp({ endpoint: '127.0.0.1:0' }, async (request, response) => {
        tenants.push(String(request.headers['x-scope-orgid']));
        await readBody(request, { maxBytes: 1e6 });
        response.writeHead(200, { 'content-type': request.headers['content-type'] ?? '' }).end();
      });
      t.after(() => backEnd.close(AbortSignal.abort()));
      const { endpoints } = await runningService(
        t,
        `
receivers: {otlp: {protocols: {http: {endpoint: "localhost:0", include_metadata: true}}}}
extensions: {headers_setter: {headers: [{key: X-Scope-OrgID, from_context: x-tenant}]}}
exporters:
  ${type}:
    endpoint: ${backEnd.url}
    auth: {authenticator: headers_setter}
    sending_queue: {batch: {min_size: 100, flush_timeout: 50ms}}
service: {extensions: [headers_setter], pipelines: {profiles: {receivers: [otlp], exporters: [${type}]}}}
`,
      );
      for (const tenant of ['red', 'blue', 'red']) {
        const answer = await fetch(`http://${endpoints[0]}/v1development/profiles`, {
          method: 'POST',
          headers: { 'content-type': 'application/x-protobuf', 'x-tenant': tenant },
          body: new Uint8Array(request(`of_${tenant}`)),
        });
        assert.equal(answer.status, 200);
      }
      while (new Set(tenants).size < 2) await new Promise((resolve) => setTimeout(resolve, 10));
      assert.deepEqual([...new Set(tenants)].sort(), ['blue', 'red']);
    });
  }

  it('is not kept where nobody asked for it', async (t) => {
    const sink = await startOtlpSink();
    t.after(() => sink.stop());
    const { endpoints } = await runningService(t, gateway(sink.port, '', '{}'));
    await fetch(`http://${endpoints[1]}/v1development/profiles`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-protobuf', 'x-tenant': 'red' },
      body: new Uint8Array(request('of_red')),
    });
    while (sink.requests.length < 1) await new Promise((resolve) => setTimeout(resolve, 10));
    assert.deepEqual(arrived(sink), ['anonymous - of_red']);
  });
});
