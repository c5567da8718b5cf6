// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Agent, request } from 'node:http';
import { connect } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { deferred } from './deferred.ts';
import {
  type BodyLimits,
  type HttpHandler,
  type HttpServer,
  HttpError,
  type HttpServerOptions,
  listenHttp,
  readBody,
  sendJson,
  sendText,
} from './http-server.ts';

const never = new AbortController().signal;

async function serve(
  t: TestContext,
  handler: HttpHandler,
  options: Partial<HttpServerOptions> = {},
): Promise<HttpServer> {
  const server = await listenHttp({ endpoint: '127.0.0.1:0', ...options }, handler);
  t.after(() => server.close(AbortSignal.abort()));
  return server;
}

/** Sends text as it stands and gives back everything until the server ends the connection. */
async function raw(server: HttpServer, text: string): Promise<string> {
  const socket = connect(server.endpoint.port, '127.0.0.1');
  socket.write(text);
  let answer = '';
  for await (const chunk of socket) answer += String(chunk);
  return answer;
}

describe('http server', () => {
  it("listens on a port of the system's choice and answers", async (t) => {
    const server = await serve(t, (_, response) => sendJson(response, 200, { ok: true }));
    assert.notEqual(server.endpoint.port, 0);
    const response = await fetch(server.url);
    assert.equal(response.headers.get('content-type'), 'application/json');
    assert.deepEqual(await response.json(), { ok: true });
  });

  it('names the endpoint when its port is taken', async (t) => {
    const server = await serve(t, () => undefined);
    const endpoint = `127.0.0.1:${server.endpoint.port}`;
    await assert.rejects(
      listenHttp({ endpoint }, () => undefined),
      {
        message: `listen on "${endpoint}": address already in use`,
      },
    );
  });

  it('answers HttpError with its status and anything else with 500 without details', async (t) => {
    const seen: unknown[] = [];
    const server = await serve(
      t,
      (r) => {
        throw r.url === '/known' ? new HttpError(404, 'no such page') : new Error('secret detail');
      },
      { onError: (error) => seen.push(error) },
    );
    const known = await fetch(`${server.url}/known`);
    assert.deepEqual([known.status, await known.text()], [404, 'no such page']);
    const unknown = await fetch(server.url);
    assert.deepEqual([unknown.status, await unknown.text()], [500, 'internal error']);
    assert.deepEqual(seen.map(String), ['Error: secret detail']);
  });

  it('refuses a body that announces or has more bytes than allowed', async (t) => {
    const server = await serve(t, async (r, response) =>
      sendText(response, 200, `${(await readBody(r, { maxBytes: 10 })).length}`),
    );
    assert.equal(await (await fetch(server.url, { method: 'POST', body: '0123456789' })).text(), '10');
    assert.equal((await fetch(server.url, { method: 'POST', body: '0123456789x' })).status, 413);
    const chunked = await raw(
      server,
      'POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nb\r\n0123456789x\r\n',
    );
    assert.match(chunked, /^HTTP\/1.1 413 /);
  });

  it('refuses headers beyond the cap', async (t) => {
    const server = await serve(t, (_, response) => sendText(response, 200, 'fine'), {
      maxHeaderBytes: 1_024,
    });
    assert.match(
      await raw(server, `GET / HTTP/1.1\r\nhost: x\r\nx: ${'y'.repeat(2_000)}\r\n\r\n`),
      /^HTTP\/1.1 431 /,
    );
  });

  it('cuts a client off that never finishes its request', async (t) => {
    const server = await serve(t, (_, response) => sendText(response, 200, 'fine'), { requestTimeoutMs: 10 });
    assert.match(await raw(server, 'GET / HTTP/1.1\r\nhost: x\r\n'), /^HTTP\/1.1 408 /);
  });

  it('gives the headers no longer than the whole request', async (t) => {
    const server = await serve(t, (_, response) => sendText(response, 200, 'fine'), {
      requestTimeoutMs: 10,
      headersTimeoutMs: 60_000,
    });
    assert.match(await raw(server, 'GET / HTTP/1.1\r\nhost: x\r\n'), /^HTTP\/1.1 408 /);
  });

  it('closes at once when only idle kept-alive connections are left', async (t) => {
    const server = await serve(t, (_, response) => sendText(response, 200, 'fine'));
    const agent = new Agent({ keepAlive: true });
    t.after(() => agent.destroy());
    const sent = request(server.url, { agent }).end();
    const [response] = await once(sent, 'response');
    response.resume();
    await once(response, 'end');
    await server.close(never);
    await server.close(never);
    await assert.rejects(fetch(server.url));
  });

  it('lets a running request finish and then closes', async (t) => {
    const gate = deferred();
    const entered = deferred();
    const server = await serve(t, async (_, response) => {
      entered.resolve();
      await gate.promise;
      sendText(response, 200, 'late');
    });
    const answer = fetch(server.url);
    await entered.promise;
    const closed = server.close(never);
    gate.resolve();
    assert.equal(await (await answer).text(), 'late');
    await closed;
  });

  it('cuts a running request when the deadline aborts and tells the handler', async (t) => {
    const entered = deferred<AbortSignal>();
    const server = await serve(t, async (_, __, signal) => {
      entered.resolve(signal);
      await once(signal, 'abort');
    });
    const answer = assert.rejects(fetch(server.url));
    const signal = await entered.promise;
    const deadline = new AbortController();
    const closed = server.close(deadline.signal);
    deadline.abort();
    await closed;
    await answer;
    assert.equal(signal.aborted, true);
  });
});

describe('a body', () => {
  /** A server that answers with the length of the body; `grown` is what it was told of memory. */
  const measuring = async (t: TestContext, limits: BodyLimits) => {
    const grown: number[] = [];
    const server = await serve(t, async (r, response) => {
      const body = await readBody(r, { onGrow: (bytes) => void grown.push(bytes), ...limits });
      sendText(response, 200, `${body.length} of ${body.buffer.byteLength}`);
    });
    return { server, grown };
  };

  it('of announced length takes memory once', async (t) => {
    const { server, grown } = await measuring(t, { maxBytes: 1_000_000 });
    const answer = await fetch(server.url, { method: 'POST', body: Buffer.alloc(200_000) });
    assert.equal(await answer.text(), '200000 of 200000');
    assert.deepEqual(grown, [200_000]);
  });

  it('of unknown length doubles its memory up to the limit, and keeps what it needs', async (t) => {
    const { server, grown } = await measuring(t, { maxBytes: 150_000 });
    const ofSize = (bytes: number): Promise<Response> =>
      fetch(server.url, {
        method: 'POST',
        body: new Blob([Buffer.alloc(bytes)]).stream(),
        duplex: 'half',
      });
    assert.equal(await (await ofSize(140_000)).text(), '140000 of 140000');
    assert.deepEqual(grown, [65_536, 131_072, 150_000]);
    assert.equal((await ofSize(150_001)).status, 413);
  });

  it('is refused by who counts the memory, and the connection serves the next request', async (t) => {
    const server = await serve(t, async (r, response) => {
      const onGrow = (bytes: number): void => {
        if (bytes > 10) throw new HttpError(429, 'busy');
      };
      sendText(response, 200, String((await readBody(r, { maxBytes: 1_000, onGrow })).length));
    });
    const text = await raw(
      server,
      `POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 11\r\n\r\n${'x'.repeat(11)}` +
        'POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 2\r\n\r\nab',
    );
    assert.deepEqual(text.match(/HTTP\/1\.1 \d+/g), ['HTTP/1.1 429', 'HTTP/1.1 200']);
  });

  it('that is large and refused is read away, so that its sender gets the answer', async (t) => {
    const { server } = await measuring(t, { maxBytes: 10 });
    const bytes = 8 * 1024 * 1024;
    const text = await raw(
      server,
      `POST / HTTP/1.1\r\nhost: x\r\ncontent-length: ${bytes}\r\n\r\n${'x'.repeat(bytes)}`,
    );
    assert.match(text, /^HTTP\/1\.1 413 [^]*connection: close[^]*larger than 10 bytes$/i);
  });

  it('is not asked for when it is refused', async (t) => {
    const { server } = await measuring(t, { maxBytes: 10 });
    const head = 'POST / HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\nconnection: close\r\n';
    assert.match(await raw(server, `${head}content-length: 11\r\n\r\n`), /^HTTP\/1\.1 413 /);
    assert.match(
      await raw(server, `${head}content-length: 2\r\n\r\nab`),
      /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 [^]*2 of 2$/,
    );
  });

  it('of which nothing comes any more is given up with 408', async (t) => {
    const { server } = await measuring(t, { maxBytes: 10, stallTimeoutMs: 10 });
    const text = await raw(server, 'POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nab');
    assert.match(text, /^HTTP\/1\.1 408 [^]*no byte of the body came in 10 ms$/);
  });

  it('whose sender goes away rejects', async (t) => {
    const failed = deferred<unknown>();
    const server = await serve(t, async (r) => {
      await readBody(r, { maxBytes: 10 }).catch(failed.resolve);
    });
    const socket = connect(server.endpoint.port, '127.0.0.1');
    socket.write('POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nab', () => socket.destroy());
    assert.match(String(await failed.promise), /client closed the connection within the body/);
  });
});
