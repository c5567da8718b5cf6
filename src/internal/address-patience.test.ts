// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type LookupFunction } from 'node:net';
import { it } from 'node:test';
import { giveAddressesTime } from './address-patience.ts';

/** Nobody listens on the second. */
const lookup: LookupFunction = (_name, _options, found) =>
  found(null, [
    { address: '127.0.0.1', family: 4 },
    { address: '::1', family: 6 },
  ]);

it('a name whose last address leads nowhere is reached while the event loop is busy', async (t) => {
  giveAddressesTime();
  const server = createServer((socket) => socket.destroy());
  t.after(() => void server.close());
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  const socket = connect({ host: 'two.example', port, lookup });
  t.after(() => void socket.destroy());
  const connected = once(socket, 'connect');
  // After the lookup, which Node.js puts off to the next tick.
  setImmediate(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 400));
  await connected;
  assert.equal(socket.remoteAddress, '127.0.0.1');
});
