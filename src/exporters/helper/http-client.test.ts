// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import { type AddressInfo, createServer as createNetServer } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { tlsClientSchema } from '../../config/sections/tls.ts';
import { RetryableError } from '../../consumer/consumer.ts';
import { never } from '../../internal/testing/settings.ts';
import { errorTypeOf } from './delivery.ts';
import {
  answerError,
  type HttpAnswer,
  type HttpClient,
  type HttpClientOptions,
  openHttpClient,
  retryAfterToMs,
} from './http-client.ts';

async function serve(t: TestContext, listener: RequestListener) {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close().closeAllConnections());
  return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

async function clientOf(
  t: TestContext,
  url: string,
  options: Partial<HttpClientOptions> = {},
): Promise<HttpClient> {
  const client = await openHttpClient({
    url: new URL(url),
    tls: tlsClientSchema.parse({}),
    maxConnections: 1,
    ...options,
  });
  t.after(() => client.close());
  return client;
}

const answer = (status: number, some: Partial<HttpAnswer> = {}): HttpAnswer => ({
  status,
  contentType: '',
  retryAfter: undefined,
  location: undefined,
  body: Buffer.alloc(0),
  ...some,
});

describe('an HTTP client', () => {
  it('reads the beginning of an answer and no more', async (t) => {
    const { url } = await serve(t, (_, response) => {
      const endless = (): void => {
        while (response.write(Buffer.alloc(16_384, 0x78)));
        response.once('drain', endless);
      };
      endless();
    });
    const client = await clientOf(t, url);
    const { body } = await client.post('/', {}, Buffer.alloc(1), never());
    assert.equal(body.length, 65_536);
  });

  it('does not follow a redirect and says where it points to', async (t) => {
    let requests = 0;
    const { url } = await serve(t, (_, response) => {
      requests++;
      response.writeHead(307, { location: 'http://other.test/' }).end();
    });
    const client = await clientOf(t, url);
    const redirect = await client.post('/', {}, Buffer.alloc(1), never());
    assert.equal(requests, 1);
    const error = answerError(redirect, '', 0);
    assert.equal(error.name, 'PermanentError');
    assert.match(error.message, /answered 307: .*not followed; it points to "http:\/\/other\.test\/"/);
  });

  it('rejects as unavailable, to be tried again, where nobody answers', async (t) => {
    const { server, url } = await serve(t, (request) => request.socket.destroy());
    const client = await clientOf(t, url);
    const rejected = assert.rejects(client.post('/', {}, Buffer.alloc(1), never()), (error: Error) => {
      assert.ok(error instanceof RetryableError);
      assert.match(error.message, /^no answer from http:\/\/127\.0\.0\.1:\d+: /);
      assert.equal(errorTypeOf(error), 'Unavailable');
      return true;
    });
    await rejected;
    server.close();
    await assert.rejects(client.post('/', {}, Buffer.alloc(1), never()), /ECONNREFUSED|other side closed/);
  });

  it('waits no longer than its signal for a connection that does not come about', async (t) => {
    const silent = createNetServer((socket) => t.after(() => void socket.destroy()));
    await once(silent.listen(0, '127.0.0.1'), 'listening');
    t.after(() => void silent.close());
    const { port } = silent.address() as AddressInfo;
    const made = await clientOf(t, `https://127.0.0.1:${port}`);
    const ending = new AbortController();
    const answer = made.post('/', {}, Buffer.of(1), ending.signal);
    await once(silent, 'connection');
    ending.abort(new Error('enough'));
    const late = delay(2_000, 'late', { ref: false });
    await assert.rejects(Promise.race([answer, late]), /no answer from .*enough/);
  });

  it('keeps its connection, unless told not to', async (t) => {
    const ports: (number | undefined)[] = [];
    const { url } = await serve(t, (request, response) => {
      ports.push(request.socket.remotePort);
      request.resume();
      response.end();
    });
    for (const keepAlive of [true, false]) {
      const client = await clientOf(t, url, { keepAlive });
      for (let i = 0; i < 3; i++) await client.post('/', {}, Buffer.alloc(1), never());
    }
    assert.equal(new Set(ports.slice(0, 3)).size, 1);
    assert.equal(new Set(ports.slice(3)).size, 3);
  });

  it('opens no more connections than it may', async (t) => {
    const held: (() => void)[] = [];
    const { server, url } = await serve(t, (request, response) => {
      request.resume();
      held.push(() => response.end());
      if (held.length >= 2) for (const release of held) release();
    });
    let open = 0;
    server.on('connection', () => open++);
    const client = await clientOf(t, url, { maxConnections: 2 });
    await Promise.all(Array.from({ length: 6 }, () => client.post('/', {}, Buffer.alloc(1), never())));
    assert.equal(open, 2);
  });

  it('goes through a proxy: plain HTTP is forwarded with its credentials, TLS is tunnelled', async (t) => {
    const seen: string[] = [];
    const { server, url: proxy } = await serve(t, (request, response) => {
      seen.push(`${request.method} ${request.url} ${request.headers['proxy-authorization'] ?? ''}`);
      request.resume();
      response.end('from the proxy');
    });
    server.on('connect', (request, socket) => {
      seen.push(`CONNECT ${request.url}`);
      socket.end('HTTP/1.1 403 Forbidden\r\n\r\n');
    });
    const proxyUrl = proxy.replace('://', '://user:word@');
    const plain = await clientOf(t, 'http://receiver.test:4318/', { proxyUrl });
    const { body } = await plain.post('/v1development/profiles', {}, Buffer.alloc(1), never());
    assert.equal(body.toString(), 'from the proxy');
    const secure = await clientOf(t, 'https://receiver.test:4318/', { proxyUrl });
    await assert.rejects(secure.post('/x', {}, Buffer.alloc(1), never()), /403/);
    const credentials = `Basic ${Buffer.from('user:word').toString('base64')}`;
    assert.deepEqual(seen, [
      `POST http://receiver.test:4318/v1development/profiles ${credentials}`,
      'CONNECT receiver.test:4318',
    ]);
    const keyed = await clientOf(t, 'http://receiver.test/', { proxyUrl: proxy.replace('://', '://key@') });
    await keyed.post('/x', {}, Buffer.alloc(1), never());
    const key = `Basic ${Buffer.from('key:').toString('base64')}`;
    assert.equal(seen.at(-1), `POST http://receiver.test/x ${key}`);
  });
});

describe('an answer other than success', () => {
  it('may be tried again where OTLP says so', () => {
    for (const status of [301, 400, 401, 403, 404, 408, 413, 415, 429, 500, 501, 502, 503, 504]) {
      const { name } = answerError(answer(status), 'why', 0);
      const isRetryable = [429, 502, 503, 504].includes(status);
      assert.equal(name, isRetryable ? 'RetryableError' : 'PermanentError', String(status));
    }
  });

  it('says when, as seconds or as a date', () => {
    const now = Date.parse('2024-05-01T10:00:00Z');
    assert.equal(retryAfterToMs('120', now), 120_000);
    assert.equal(retryAfterToMs('Wed, 01 May 2024 10:00:05 GMT', now), 5_000);
    assert.equal(retryAfterToMs('Wed, 01 May 2024 09:00:05 GMT', now), 0);
    assert.equal(retryAfterToMs('soon', now), undefined);
    assert.equal(retryAfterToMs(undefined, now), undefined);
    assert.equal(retryAfterToMs('9'.repeat(400), now), 86_400_000, 'a day at most');
    const error = answerError(answer(503, { retryAfter: '7' }), 'busy', now);
    assert.ok(error instanceof RetryableError);
    assert.equal(error.retryAfterMs, 7_000);
    assert.equal(error.message, 'server answered 503: busy');
    assert.equal(errorTypeOf(error), '503');
  });

  it('tells no more than the beginning of a long message', () => {
    assert.ok(answerError(answer(500), 'x'.repeat(60_000), 0).message.length < 2_100);
    assert.match(answerError(answer(500), '  ', 0).message, /no message$/);
  });
});
