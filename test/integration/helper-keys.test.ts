// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import {
  connect as connectHttp2,
  createServer as createHttp2Server,
  type ClientHttp2Session,
  type IncomingHttpHeaders,
} from 'node:http2';
import { type AddressInfo, connect } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { gunzipSync } from 'node:zlib';
import type { Exporter } from '../../src/component/component.ts';
import { otlpGrpcExporterFactory } from '../../src/exporters/otlp-grpc/factory.ts';
import { otlpHttpExporterFactory } from '../../src/exporters/otlp-http/factory.ts';
import { deferred } from '../../src/internal/deferred.ts';
import { listenHttp, readBody, sendText } from '../../src/internal/http-server.ts';
import { never, testHost, testSettings } from '../../src/internal/testing/settings.ts';
import { batchFromFolded } from '../../src/pdata/folded.ts';
import { startOtlpSink } from './otlp-sink.ts';
import { runningService } from './running-service.ts';

const batch = batchFromFolded('main;work 2');
const PATH = '/v1development/profiles';

async function receiver(t: TestContext, protocol: string): Promise<string> {
  const { endpoints } = await runningService(
    t,
    `
receivers: {otlp: {protocols: {${protocol}}}}
exporters: {nop: }
service: {pipelines: {profiles: {receivers: [otlp], exporters: [nop]}}}
`,
  );
  return endpoints[0] ?? '';
}

function session(t: TestContext, endpoint: string): ClientHttp2Session {
  const client = connectHttp2(`http://${endpoint}`);
  client.on('error', () => undefined);
  t.after(() => client.destroy());
  return client;
}

describe('keys of a gRPC server', () => {
  it('max_concurrent_streams is what clients are told', async (t) => {
    const client = session(
      t,
      await receiver(t, 'grpc: {endpoint: "localhost:0", max_concurrent_streams: 7}'),
    );
    await once(client, 'remoteSettings');
    assert.equal(client.remoteSettings.maxConcurrentStreams, 7);
  });

  it('max_connection_idle and max_connection_age end a connection', async (t) => {
    for (const key of ['max_connection_idle', 'max_connection_age']) {
      const grpc = `grpc: {endpoint: "localhost:0", keepalive: {server_parameters: {${key}: 50ms}}}`;
      const client = session(t, await receiver(t, grpc));
      await once(client, 'goaway');
    }
  });

  it('time asks a silent client whether it lives, and timeout gives it up', async (t) => {
    const parameters = 'keepalive: {server_parameters: {time: 20ms, timeout: 20ms}}';
    const socket = connect(
      Number((await receiver(t, `grpc: {endpoint: "localhost:0", ${parameters}}`)).split(':')[1]),
      'localhost',
    );
    t.after(() => socket.destroy());
    // A client that has said hello and then answers nothing.
    socket.write(
      Buffer.concat([
        Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
        Buffer.from('000000040000000000', 'hex'),
      ]),
    );
    socket.resume();
    await once(socket, 'close');
  });

  it('enforcement_policy sends a client away that pings too often', async (t) => {
    const strict = await receiver(t, 'grpc: {endpoint: "localhost:0"}');
    const policy = 'keepalive: {enforcement_policy: {min_time: 1ms, permit_without_stream: true}}';
    const lenient = await receiver(t, `grpc: {endpoint: "localhost:0", ${policy}}`);
    const pinged = async (endpoint: string): Promise<string> => {
      const client = session(t, endpoint);
      let said = 'nothing';
      client.once('goaway', (_code, _last, data) => (said = Buffer.from(data ?? []).toString()));
      await once(client, 'remoteSettings');
      for (let i = 0; i < 5 && !client.destroyed; i++) {
        const answered = deferred();
        client.once('close', () => answered.resolve());
        if (!client.ping(() => answered.resolve())) break;
        await answered.promise;
        // A pace, not a wait: more than min_time where that is 1ms.
        await new Promise((resolve) => setTimeout(resolve, 3));
      }
      return said;
    };
    assert.equal(await pinged(strict), 'too_many_pings');
    assert.equal(await pinged(lenient), 'nothing');
  });
});

describe('keys of an HTTP server', () => {
  /** What a client gets that sends only so much. */
  async function answerTo(endpoint: string, text: string): Promise<string> {
    const socket = connect(Number(endpoint.split(':')[1]), 'localhost');
    socket.write(text);
    let said = '';
    socket.on('data', (chunk: Buffer) => (said += chunk.toString()));
    await once(socket, 'close');
    return said;
  }

  it('read_header_timeout and read_timeout cut slow clients', async (t) => {
    const headers = await receiver(t, 'http: {endpoint: "localhost:0", read_header_timeout: 50ms}');
    const all = await receiver(
      t,
      'http: {endpoint: "localhost:0", read_timeout: 100ms, read_header_timeout: 50ms}',
    );
    const head = `POST ${PATH} HTTP/1.1\r\nhost: a\r\ncontent-type: application/x-protobuf\r\ncontent-length: 10\r\n`;
    const [half, body] = await Promise.all([answerTo(headers, head), answerTo(all, `${head}\r\nabc`)]);
    assert.match(half, /^HTTP\/1\.1 408 /);
    assert.match(body, /^HTTP\/1\.1 408 /);
  });

  it('idle_timeout ends connections without a request', async (t) => {
    const endpoint = await receiver(t, 'http: {endpoint: "localhost:0", idle_timeout: 1s}');
    const answer = await answerTo(endpoint, `GET ${PATH} HTTP/1.1\r\nhost: a\r\n\r\n`);
    assert.match(answer, /^HTTP\/1\.1 405 [\s\S]*keep-alive: timeout=1\r\n/i);
  });

  it('response_headers and cors::max_age are in answers', async (t) => {
    const cors = 'cors: {allowed_origins: ["http://a"], max_age: 77}';
    const endpoint = await receiver(
      t,
      `http: {endpoint: "localhost:0", ${cors}, response_headers: {x-room: north}}`,
    );
    const preflight = { origin: 'http://a', 'access-control-request-method': 'POST' };
    const asked = httpRequest(`http://${endpoint}${PATH}`, { method: 'OPTIONS', headers: preflight }).end();
    const [answer] = (await once(asked, 'response')) as [IncomingMessage];
    assert.equal(answer.headers['access-control-max-age'], '77');
    const refused = await fetch(`http://${endpoint}/other`);
    assert.equal(refused.headers.get('x-room'), 'north');
  });
});

async function exporter(
  t: TestContext,
  factory: typeof otlpHttpExporterFactory,
  config: object,
): Promise<Exporter> {
  assert.equal(factory.kind, 'exporter');
  const plain = { sending_queue: { enabled: false }, retry_on_failure: { enabled: false } };
  const made = factory.create(testSettings(factory.type), factory.schema.parse({ ...plain, ...config }));
  await made.start(testHost(), never());
  t.after(() => made.shutdown(AbortSignal.abort()));
  return made;
}

/** A server that keeps what it was sent, and answers as the test says. */
async function backend(
  t: TestContext,
  answer: (response: ServerResponse) => Promise<void> | void = (r) => sendText(r, 200, ''),
) {
  const bodies: Buffer[] = [];
  const sockets = new Set<unknown>();
  const paths: string[] = [];
  const server = await listenHttp({ endpoint: '127.0.0.1:0' }, async (request, response) => {
    sockets.add(request.socket);
    paths.push(request.url ?? '');
    bodies.push(await readBody(request, { maxBytes: 1_000_000 }));
    await answer(response);
  });
  t.after(() => server.close(AbortSignal.abort()));
  return { url: server.url, bodies, sockets, paths };
}

describe('keys of an HTTP client', () => {
  it('compression_params::level makes requests smaller', async (t) => {
    const text = Array.from({ length: 400 }, (_, i) => `main;work${i % 37};call${i * 7919} ${i + 1}`).join(
      '\n',
    );
    const large = batchFromFolded(text);
    const { url, bodies } = await backend(t);
    for (const level of [1, 9]) {
      const one = await exporter(t, otlpHttpExporterFactory, {
        endpoint: url,
        compression_params: { level },
      });
      await one.consumeProfiles(large, never());
    }
    const [fast, small] = bodies;
    assert.ok(fast !== undefined && small !== undefined && small.length < fast.length);
    assert.deepEqual(gunzipSync(fast), gunzipSync(small));
  });

  it('max_conns_per_host is how many connections there are, disable_keep_alives makes more', async (t) => {
    const waiting: ServerResponse[] = [];
    const two = deferred();
    const limited = await backend(t, (response) => {
      waiting.push(response);
      if (waiting.length === 2) two.resolve();
      return once(response, 'close').then(() => undefined);
    });
    const one = await exporter(t, otlpHttpExporterFactory, { endpoint: limited.url, max_conns_per_host: 2 });
    const all = Array.from({ length: 6 }, () => one.consumeProfiles(batch, never()));
    await two.promise;
    for (let answered = 0; answered < 6; ) {
      const response = waiting.shift();
      if (response === undefined) await new Promise((resolve) => setImmediate(resolve));
      else answered++;
      if (response !== undefined) sendText(response, 200, '');
    }
    await Promise.all(all);
    assert.equal(limited.sockets.size, 2);
    const fresh = await backend(t);
    const other = await exporter(t, otlpHttpExporterFactory, {
      endpoint: fresh.url,
      disable_keep_alives: true,
    });
    for (let i = 0; i < 3; i++) await other.consumeProfiles(batch, never());
    assert.equal(fresh.sockets.size, 3);
  });

  it('proxy_url is where plain requests go', async (t) => {
    const proxy = await backend(t);
    const endpoint = 'http://backend.invalid:4318';
    const one = await exporter(t, otlpHttpExporterFactory, { endpoint, proxy_url: proxy.url });
    await one.consumeProfiles(batch, never());
    assert.deepEqual(proxy.paths, [`${endpoint}${PATH}`]);
    t.after(() => delete process.env['HTTP_PROXY']);
    process.env['HTTP_PROXY'] = proxy.url;
    const byVariable = await exporter(t, otlpHttpExporterFactory, { endpoint });
    await byVariable.consumeProfiles(batch, never());
    assert.equal(proxy.paths.length, 2);
  });
});

describe('keys of a gRPC client', () => {
  it('authority, user_agent and headers are what the server sees', async (t) => {
    const seen = deferred<IncomingHttpHeaders>();
    const server = createHttp2Server().on('stream', (stream, headers) => {
      seen.resolve(headers);
      const answer = { ':status': 200, 'content-type': 'application/grpc', 'grpc-status': '7' };
      stream.respond(answer, { endStream: true });
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    t.after(() => server.close());
    const one = await exporter(t, otlpGrpcExporterFactory, {
      endpoint: `127.0.0.1:${(server.address() as AddressInfo).port}`,
      tls: { insecure: true },
      authority: 'shop.example',
      user_agent: 'me',
      headers: { 'X-Team': 'north', 'x-key-bin': 'AQ==' },
    });
    await assert.rejects(one.consumeProfiles(batch, never()), /PermissionDenied/);
    const headers = await seen.promise;
    const names = [':authority', 'user-agent', 'x-team', 'x-key-bin'];
    assert.deepEqual(
      names.map((name) => headers[name]),
      ['shop.example', 'me', 'north', 'AQ'],
    );
  });

  it('wait_for_ready waits for a server where otherwise an attempt fails', async (t) => {
    const gone = await startOtlpSink();
    gone.stop();
    const config = { endpoint: `127.0.0.1:${gone.port}`, tls: { insecure: true } };
    const hasty = await exporter(t, otlpGrpcExporterFactory, config);
    await assert.rejects(hasty.consumeProfiles(batch, never()), /ECONNREFUSED/);
    const patient = await exporter(t, otlpGrpcExporterFactory, {
      ...config,
      wait_for_ready: true,
      timeout: '300ms',
    });
    await assert.rejects(patient.consumeProfiles(batch, never()), /no answer within 300 ms/);
  });
});
