// SPDX-License-Identifier: Apache-2.0
import type { TestContext } from 'node:test';
import { systemClock } from '../../internal/clock.ts';
import type { GrpcServerOptions } from '../server.ts';
import { listenGrpc } from '../server.ts';
import type { UnaryHandler } from '../server-call.ts';
import type { ConnectionTimes } from '../server-connection.ts';

/** The method that test servers have. */
export const ECHO = '/test.Service/Echo';

/** Nothing ends by itself. */
const NO_TIMES: ConnectionTimes = {
  keepaliveTimeMs: 0,
  keepaliveTimeoutMs: 20_000,
  maxIdleMs: 0,
  maxAgeMs: 0,
  maxAgeGraceMs: 0,
  minPingIntervalMs: 300_000,
  permitPingsWithoutCalls: false,
};

/** A server and everything that it reported. */
export interface TestServer {
  readonly port: number;
  readonly refused: string[];
  readonly ends: string[];
  readonly errors: unknown[];
  /** Bytes that calls hold now, and the most they ever held. */
  readonly held: { now: number; most: number };
  close(deadline: AbortSignal): Promise<void>;
}

interface TestServerOptions extends Partial<Omit<GrpcServerOptions, 'times'>> {
  readonly times?: Partial<ConnectionTimes>;
  readonly maxHeldBytes?: number;
}

/** Listens on a free port until the test ends; answers calls of ECHO as `handler` does. */
export async function testServer(
  t: Pick<TestContext, 'after'>,
  handler: UnaryHandler,
  { times, maxHeldBytes = Number.POSITIVE_INFINITY, ...options }: TestServerOptions = {},
): Promise<TestServer> {
  const [refused, ends, errors]: [string[], string[], unknown[]] = [[], [], []];
  const held = { now: 0, most: 0 };
  const server = await listenGrpc({
    endpoint: '127.0.0.1:0',
    methods: { [ECHO]: handler },
    maxMessageBytes: 4 * 1024 * 1024,
    maxConcurrentStreams: 128,
    times: { ...NO_TIMES, ...times },
    hold: () => {
      let own = 0;
      return {
        grow(bytes) {
          if (held.now + bytes > maxHeldBytes) return false;
          own += bytes;
          held.now += bytes;
          held.most = Math.max(held.most, held.now);
          return true;
        },
        release() {
          held.now -= own;
          own = 0;
        },
      };
    },
    onRefused: (reason) => refused.push(reason),
    onConnectionEnd: (reason) => ends.push(reason),
    onError: (error) => errors.push(error),
    clock: systemClock,
    ...options,
  });
  t.after(() => server.close(AbortSignal.abort()));
  return {
    port: server.endpoint.port,
    refused,
    ends,
    errors,
    held,
    close: (deadline) => server.close(deadline),
  };
}

/** Turns of the event loop until it holds; a test's time-out ends what never does. */
export async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setImmediate(resolve));
}
