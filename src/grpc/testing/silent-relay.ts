// SPDX-License-Identifier: Apache-2.0
import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import type { TestContext } from 'node:test';

/** A relay of TCP that can go silent: the server stays, nothing comes through, and nobody is told. */
export class SilentRelay {
  isSilent = false;
  /** How often it was connected to. */
  connections = 0;
  port = 0;

  /** Listens until the test has ended. */
  static async to(serverPort: number, t: TestContext): Promise<SilentRelay> {
    const relay = new SilentRelay();
    const listener = createServer((near) => {
      relay.connections++;
      const far = connect(serverPort, '127.0.0.1');
      near.on('data', (chunk: Buffer) => relay.isSilent || far.write(chunk)).on('error', () => undefined);
      far.on('data', (chunk: Buffer) => near.write(chunk)).on('error', () => undefined);
      near.once('close', () => far.destroy());
    });
    await once(listener.listen(0, '127.0.0.1'), 'listening');
    t.after(() => listener.close());
    relay.port = (listener.address() as AddressInfo).port;
    return relay;
  }
}
