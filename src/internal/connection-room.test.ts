// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Agent, get, type IncomingMessage } from 'node:http';
import { Agent as TlsAgent, get as getTls } from 'node:https';
import { connect } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { ConnectionRoom, openFileLimit, parseFileLimit, type RoomEnd } from './connection-room.ts';
import { deferred } from './deferred.ts';
import { type HttpHandler, listenHttp } from './http-server.ts';
import { makeCertificates } from './testing/certificates.ts';

/** A room whose seats tell their names when they are evicted. */
function namedSeats(max: number) {
  const room = new ConnectionRoom(max);
  const evicted: string[] = [];
  return { room, evicted, enter: (name: string) => room.enter(() => evicted.push(name)) };
}

describe('a room of connections', () => {
  it('evicts the oldest that never had a request, then the one that is idle longest', () => {
    const { evicted, enter } = namedSeats(3);
    const [first, second] = [enter('first'), enter('second')];
    enter('third');
    for (const seat of [second, first]) {
      seat?.busy();
      seat?.idle();
    }
    for (const name of ['fourth', 'fifth']) enter(name)?.busy();
    assert.deepEqual(evicted, ['third', 'second']);
    enter('sixth')?.busy();
    assert.deepEqual(evicted, ['third', 'second', 'first']);
  });

  it('has no seat while all are busy, also with several requests at a time', () => {
    const { room, enter, evicted } = namedSeats(1);
    const seat = enter('first');
    seat?.busy();
    seat?.busy();
    seat?.idle();
    assert.equal(enter('second'), undefined);
    seat?.idle();
    assert.notEqual(enter('third'), undefined);
    // Of a connection that is gone nothing counts any more.
    seat?.leave();
    seat?.idle();
    assert.equal(room.size, 1);
    enter('fourth');
    assert.deepEqual(evicted, ['first', 'third']);
  });

  it('knows how many files the process may have open', () => {
    assert.equal(
      parseFileLimit('Limit   Soft Limit  Hard Limit  Units\nMax open files  4096  8192  files\n'),
      4096,
    );
    assert.equal(
      parseFileLimit('Max open files            unlimited            unlimited            files'),
      Infinity,
    );
    assert.equal(parseFileLimit(''), 1024);
    assert.ok(openFileLimit() > 0);
  });
});

const KEYS = makeCertificates();

for (const [scheme, tls] of [
  ['http', undefined],
  ['https', KEYS.server],
] as const) {
  describe(`connections of a server, ${scheme}`, () => {
    async function serve(t: TestContext, handler: HttpHandler, maxConnections: number) {
      const ends: RoomEnd[] = [];
      const onConnectionEnd = (reason: RoomEnd): void => void ends.push(reason);
      const options = { endpoint: '127.0.0.1:0', tls, maxConnections, onConnectionEnd };
      const server = await listenHttp(options, handler);
      t.after(() => server.close(AbortSignal.abort()));
      /** A client with one connection, which it keeps; gives the status of a request. */
      const client = () => {
        const agent = tls === undefined ? new Agent({ keepAlive: true }) : new TlsAgent({ keepAlive: true });
        t.after(() => agent.destroy());
        const fetchIt = tls === undefined ? get : getTls;
        return async (): Promise<number | undefined> => {
          const request = fetchIt({ host: '127.0.0.1', port: server.endpoint.port, agent, ca: KEYS.ca });
          const [answer] = (await once(request, 'response')) as [IncomingMessage];
          answer.resume();
          await once(answer, 'close');
          return answer.statusCode;
        };
      };
      return { server, ends, client };
    }

    it('serves a new client beside as many idle connections as it may have', async (t) => {
      const { server, ends, client } = await serve(t, () => undefined, 3);
      const known = client();
      assert.equal(await known(), 204);
      const idle = Array.from({ length: 5 }, () => connect(server.endpoint.port, '127.0.0.1'));
      t.after(() => idle.forEach((socket) => socket.destroy()));
      const closed = idle.map((socket) => once(socket.on('error', () => undefined).resume(), 'close'));
      await Promise.all(idle.map((socket) => once(socket, 'connect')));
      assert.equal(await client()(), 204);
      // The oldest went, and of those that had requests none.
      await Promise.all(closed.slice(0, 4));
      assert.equal(await known(), 204);
      assert.deepEqual(ends, Array(4).fill('made_room'));
    });

    it('closes a newcomer while all others are busy, and takes the next when one is done', async (t) => {
      const isAsked = deferred();
      const mayAnswer = deferred();
      const handler: HttpHandler = async () => {
        isAsked.resolve();
        await mayAnswer.promise;
      };
      const { server, ends, client } = await serve(t, handler, 1);
      const answer = client()();
      await isAsked.promise;
      const newcomer = connect(server.endpoint.port, '127.0.0.1').on('error', () => undefined);
      await once(newcomer.resume(), 'close');
      assert.deepEqual(ends, ['too_many_connections']);
      mayAnswer.resolve();
      assert.equal(await answer, 204);
      assert.equal(await client()(), 204);
    });

    it('forgets connections that clients close', async (t) => {
      const { server, ends, client } = await serve(t, () => undefined, 2);
      for (let i = 0; i < 5; i++) {
        const socket = connect(server.endpoint.port, '127.0.0.1');
        await once(socket, 'connect');
        socket.end();
        await once(socket.resume(), 'close');
      }
      assert.equal(await client()(), 204);
      assert.ok(ends.length <= 1, `${ends.length} were closed for want of room`);
    });
  });
}
