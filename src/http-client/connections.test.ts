// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { afterEach, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { Agent, type Dispatcher } from 'undici';
import { Connections } from './connections.ts';

/** A server that answers when it is told to. */
class SlowServer {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly waiting: ServerResponse[] = [];
  connections = 0;

  constructor() {
    this.#server = createServer((request, response) => {
      if (request.url === '/now') response.end('now');
      else this.waiting.push(response);
    }).on('connection', (socket: Socket) => {
      this.connections++;
      this.#sockets.add(socket);
    });
  }

  async listen(port = 0): Promise<number> {
    await once(this.#server.listen(port, '127.0.0.1'), 'listening');
    return (this.#server.address() as AddressInfo).port;
  }

  async asked(times: number): Promise<void> {
    while (this.waiting.length < times) await once(this.#server, 'request');
  }

  async end(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }
}

describe('connections to one server', () => {
  const ends: (() => Promise<unknown>)[] = [];
  afterEach(async () => {
    for (const end of ends.splice(0).reverse()) await end().catch(() => undefined);
  });

  const served = async (port?: number): Promise<{ server: SlowServer; port: number }> => {
    const server = new SlowServer();
    const bound = await server.listen(port);
    ends.push(() => server.end());
    return { server, port: bound };
  };
  const agentOf = (made: Connections[] = []): Agent => {
    const agent = new Agent({
      factory(origin) {
        const connections = new Connections(origin, { keepAliveTimeout: 60_000 });
        made.push(connections);
        return connections;
      },
    });
    ends.push(() => agent.destroy());
    return agent;
  };
  const get = async (by: Dispatcher, port: number, path: string): Promise<string> => {
    const answer = await by.request({ origin: `http://127.0.0.1:${port}`, path, method: 'GET' });
    return answer.body.text();
  };

  it('are as many as requests are under way, and are used again', async () => {
    const { server, port } = await served();
    const agent = agentOf();
    const three = ['/1', '/2', '/3'].map((path) => get(agent, port, path));
    await server.asked(3);
    assert.equal(server.connections, 3);
    assert.equal(await get(agent, port, '/now'), 'now');
    assert.equal(server.connections, 4);
    for (const response of server.waiting) response.end('late');
    assert.deepEqual(await Promise.all(three), ['late', 'late', 'late']);
    for (let i = 0; i < 10; i++) assert.equal(await get(agent, port, '/now'), 'now');
    // Those that have answered this very moment may not be free yet.
    for (let i = 0; i < 10; i++) await Promise.all(Array.from({ length: 4 }, () => get(agent, port, '/now')));
    assert.ok(server.connections <= 8, String(server.connections));
  });

  it('are not opened for requests that are refused before they are sent', async () => {
    const { server, port } = await served();
    const agent = agentOf();
    assert.equal(await get(agent, port, '/now'), 'now');
    await delay(1); // it is free by now
    for (let i = 0; i < 5; i++) await assert.rejects(get(agent, port, 'no path'), /path must be/);
    assert.equal(await get(agent, port, '/now'), 'now');
    assert.equal(server.connections, 1);
  });

  it('fail what a server that goes away leaves, and find it when it is back', async () => {
    const { server, port } = await served();
    const agent = agentOf();
    assert.equal(await get(agent, port, '/now'), 'now');
    const cut = get(agent, port, '/1');
    const refused = assert.rejects(cut, { code: 'UND_ERR_SOCKET' });
    await server.asked(1);
    await server.end();
    await refused;
    for (let i = 0; i < 3; i++) await assert.rejects(get(agent, port, '/now'), { code: 'ECONNREFUSED' });
    await served(port);
    assert.equal(await get(agent, port, '/now'), 'now');
  });

  it('close when what is under way is over, and end at once where they are destroyed', async () => {
    const { server, port } = await served();
    const [closing, destroyed] = [agentOf(), agentOf()];
    const two = [get(closing, port, '/1'), get(destroyed, port, '/2')] as const;
    const over = Promise.allSettled(two);
    await server.asked(2);
    let isClosed = false;
    const closed = closing.close().then(() => (isClosed = true));
    await destroyed.destroy(new Error('no longer wanted'));
    assert.equal(isClosed, false);
    for (const response of server.waiting) response.end('late');
    await closed;
    const [kept, lost] = await over;
    assert.deepEqual(kept, { status: 'fulfilled', value: 'late' });
    assert.ok(
      lost.status === 'rejected' && /no longer wanted/.test(String(lost.reason)),
      JSON.stringify(lost),
    );
    await assert.rejects(get(closing, port, '/now'), { code: 'UND_ERR_DESTROYED' });
  });

  it('may be closed and destroyed in any order, with a callback or without', async () => {
    const { port } = await served();
    const made: Connections[] = [];
    const agent = agentOf(made);
    assert.equal(await get(agent, port, '/now'), 'now');
    const [connections] = made;
    assert.ok(connections !== undefined);
    await connections.destroy();
    await connections.close();
    await connections.destroy(null);
    await new Promise<void>((resolve) => connections.close(resolve));
    await new Promise<void>((resolve) => connections.destroy(resolve));
    await new Promise<void>((resolve) => connections.destroy(new Error('again'), resolve));
  });
});
