// SPDX-License-Identifier: Apache-2.0
// Servers and a client for tests of the HTTP client.
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import { type AddressInfo, connect, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { section } from '../../config/sections/section.ts';
import { never, testSettings } from '../../internal/testing/settings.ts';
import { type ConfiguredClient, openConfiguredClient } from '../client.ts';
import { httpClientShape } from '../config.ts';

const schema = section(httpClientShape);

export async function client(t: TestContext, config: object, more: object = {}): Promise<ConfiguredClient> {
  const opened = await openConfiguredClient(schema.parse(config), { logger: testSettings().logger, ...more });
  t.after(() => opened.close());
  return opened;
}

export interface Seen {
  readonly method: string | undefined;
  readonly url: string | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export async function listening(t: TestContext, server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => void server.close());
  return (server.address() as AddressInfo).port;
}

export type Serve = (request: IncomingMessage, response: ServerResponse) => void;

/** A server that notes what it is asked. */
export async function server(t: TestContext, serve: Serve = (_, response) => response.end('hello')) {
  const seen: Seen[] = [];
  const made = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { method, url, headers } = request;
      seen.push({ method, url, headers, body: Buffer.concat(chunks).toString() });
      serve(request, response);
    });
  });
  t.after(() => made.closeAllConnections());
  const port = await listening(t, made);
  return { url: `http://127.0.0.1:${port}`, seen };
}

export async function folder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'http-client-'));
  t.after(() => rm(path, { recursive: true }));
  return path;
}

export const get = (from: ConfiguredClient, url: string, more: object = {}) =>
  from.request({ url, signal: never(), maxBytes: 1_000, ...more });

export const basic = (text: string): string => `Basic ${Buffer.from(text).toString('base64')}`;

/** An HTTP proxy that tunnels and forwards. */
export async function proxy(t: TestContext) {
  const seen: { method: string; target: string; headers: IncomingHttpHeaders }[] = [];
  const made = createServer((request, response) => {
    seen.push({ method: request.method ?? '', target: request.url ?? '', headers: request.headers });
    response.end('through the proxy');
  });
  made.on('connect', (request, socket) => {
    seen.push({ method: 'CONNECT', target: request.url ?? '', headers: request.headers });
    const [, port = ''] = (request.url ?? '').split(':');
    const upstream = connect(Number(port), '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      upstream.pipe(socket).pipe(upstream);
    });
    t.after(() => void upstream.destroy());
    upstream.on('error', () => socket.destroy());
    socket.on('error', () => upstream.destroy());
  });
  t.after(() => made.closeAllConnections());
  return { url: `http://127.0.0.1:${await listening(t, made)}`, seen };
}
