// SPDX-License-Identifier: Apache-2.0
import type { OutgoingHttpHeaders } from 'node:http2';
import { orAborted, withEither } from '../internal/abort.ts';
import { type Clock, sleep } from '../internal/clock.ts';
import { deferred } from '../internal/deferred.ts';
import { formatHostPort } from '../internal/endpoint.ts';
import { UnprocessedError } from './client-call.ts';
import { ClientConnection, type ClientKeepalive } from './client-connection.ts';
import { type Address, addressKey, dial, type DialOptions, resolve, type Target } from './dial.ts';
import { acceptedEncodings, type GrpcEncoding, pack } from './encoding.ts';
import { Code, GrpcError } from './status.ts';
import { formatGrpcTimeout } from './timeout.ts';

export interface GrpcClientOptions extends DialOptions {
  readonly target: Target;
  /** Sent with each call; names in lower case, `-bin` values as unpadded base64. */
  readonly headers: OutgoingHttpHeaders;
  readonly encoding: GrpcEncoding | 'identity';
  /** `round_robin` connects to all addresses and takes turns, `pick_first` to the first that answers. */
  readonly balancing: 'round_robin' | 'pick_first';
  readonly keepalive: ClientKeepalive;
  readonly backoff: { readonly initialMs: number; readonly maxMs: number };
  /** Calls wait for a connection in place of failing while there is none. */
  readonly waitForReady: boolean;
  readonly maxReceiveBytes: number;
  /** Called each time that there is a connection again. */
  readonly onReady: () => void;
  readonly clock: Clock;
  /** In place of the system's look-up of names. */
  readonly resolve?: (target: Target) => Promise<Address[]>;
}

/** Makes unary calls, bytes in, bytes out; keeps its connections up by itself. */
export interface GrpcClient {
  /**
   * The message is what its pieces are together. Rejects with GrpcError, or with the signal's reason. `timeoutMs` is told to the server, 0 is none;
   * whoever waits here counts the time and aborts. `headers` are sent in place of those of the options.
   */
  call(
    path: string,
    message: readonly Uint8Array[],
    timeoutMs: number,
    signal: AbortSignal,
    headers?: OutgoingHttpHeaders,
  ): Promise<Uint8Array>;
  /** Takes no new calls; running ones finish. */
  close(): void;
}

const BACKOFF_FACTOR = 1.6;
/** Between attempts at one address while others answer. */
const SPARE_BACKOFF_MAX_MS = 120_000;
/** A call that no server took is offered so many times. */
const MAX_OFFERS = 5;

/** Starts to connect. */
export function openGrpcClient(options: GrpcClientOptions): GrpcClient {
  const channel = new Channel(options);
  channel.open();
  return channel;
}

/** Addresses of which one connection is wanted. */
interface Group {
  addresses: readonly Address[];
  readonly gone: AbortController;
  /** None of its addresses could be connected to since one of them last was. */
  hasFailed: boolean;
}

/**
 * Calls fail at once after an attempt to connect has failed and until one succeeds; before the first has
 * ended they wait. Source: https://github.com/grpc/grpc/blob/master/doc/connectivity-semantics-and-api.md
 */
class Channel implements GrpcClient {
  readonly #options: GrpcClientOptions;
  readonly #closed = new AbortController();
  readonly #groups = new Map<string, Group>();
  readonly #connections: ClientConnection[] = [];
  #turn = 0;
  #failure: Error | undefined;
  #changed = deferred();
  /** Ends the waits of groups that thought there was another connection. */
  #hurry = new AbortController();
  #keepaliveMs: number;
  #isResolving = false;

  constructor(options: GrpcClientOptions) {
    this.#options = options;
    this.#keepaliveMs = options.keepalive.timeMs;
  }

  open(): void {
    void this.#resolve();
  }

  async call(
    path: string,
    message: readonly Uint8Array[],
    timeoutMs: number,
    signal: AbortSignal,
    headers: OutgoingHttpHeaders = this.#options.headers,
  ): Promise<Uint8Array> {
    const { encoding, maxReceiveBytes } = this.#options;
    const isCompressed = encoding !== 'identity';
    const request = {
      headers: this.#headersOf(path, timeoutMs, headers),
      message: isCompressed ? [await pack(message, encoding)] : message,
      isCompressed,
      maxReceiveBytes,
    };
    for (let offers = 1; ; offers++) {
      const connection = await this.#pick(signal);
      try {
        return await connection.call(request, signal);
      } catch (error) {
        if (!(error instanceof UnprocessedError)) throw error;
        if (offers === MAX_OFFERS) throw new GrpcError(Code.unavailable, error.message, { cause: error });
      }
    }
  }

  #headersOf(path: string, timeoutMs: number, headers: OutgoingHttpHeaders): OutgoingHttpHeaders {
    const { authority, encoding, tls } = this.#options;
    return {
      ...headers,
      ':method': 'POST',
      ':scheme': tls === undefined ? 'http' : 'https',
      ':authority': authority,
      ':path': path,
      'content-type': 'application/grpc',
      te: 'trailers',
      'grpc-accept-encoding': acceptedEncodings(),
      ...(encoding !== 'identity' && { 'grpc-encoding': encoding }),
      ...(timeoutMs > 0 && { 'grpc-timeout': formatGrpcTimeout(timeoutMs) }),
    };
  }

  async #pick(signal: AbortSignal): Promise<ClientConnection> {
    for (;;) {
      const usable = this.#connections.filter((connection) => connection.isUsable);
      const connection = usable[this.#turn++ % Math.max(1, usable.length)];
      if (connection !== undefined) return connection;
      if (this.#closed.signal.aborted) throw new GrpcError(Code.unavailable, 'the client is closed');
      if (this.#failure !== undefined && !this.#options.waitForReady) {
        const { message } = this.#failure;
        throw new GrpcError(Code.unavailable, `no connection established, last error: ${message}`, {
          cause: this.#failure,
        });
      }
      await orAborted(this.#changed.promise, signal);
    }
  }

  close(): void {
    this.#closed.abort(new GrpcError(Code.unavailable, 'the client is closed'));
    for (const connection of this.#connections) connection.close();
    this.#announce();
  }

  /** Looks up the addresses, and makes groups of them what is connected to. */
  async #resolve(): Promise<void> {
    if (this.#isResolving) return;
    this.#isResolving = true;
    try {
      for (let failures = 0; ; failures++) {
        const addresses = await this.#lookup();
        if (this.#closed.signal.aborted) return;
        if (addresses !== undefined) return this.#reconcile(addresses);
        // Those that were good may still be, so nobody waits for new ones.
        if (this.#groups.size > 0) return;
        await this.#pause(failures, this.#closed.signal);
      }
    } finally {
      this.#isResolving = false;
    }
  }

  async #lookup(): Promise<Address[] | undefined> {
    try {
      return await (this.#options.resolve ?? resolve)(this.#options.target);
    } catch (error) {
      if (this.#connections.length === 0) this.#fail(error);
      return undefined;
    }
  }

  #reconcile(addresses: readonly Address[]): void {
    const isOne = this.#options.balancing === 'pick_first';
    const wanted = new Map<string, readonly Address[]>(
      isOne ? [['', addresses]] : addresses.map((address) => [addressKey(address), [address]]),
    );
    for (const [key, group] of this.#groups) {
      if (wanted.has(key)) continue;
      group.gone.abort(new Error('the name has lost this address'));
      this.#groups.delete(key);
    }
    for (const [key, list] of wanted) {
      const known = this.#groups.get(key);
      if (known !== undefined) {
        known.addresses = list;
        continue;
      }
      const group = { addresses: list, gone: new AbortController(), hasFailed: false };
      this.#groups.set(key, group);
      void this.#keep(group);
    }
  }

  /** Keeps one connection of the group up as long as it is wanted. */
  async #keep(group: Group): Promise<void> {
    const signal = AbortSignal.any([group.gone.signal, this.#closed.signal]);
    for (let failures = 0; !signal.aborted; ) {
      const startedAt = this.#options.clock.elapsed();
      const connection = await this.#connect(group, signal);
      if (connection === undefined) failures++;
      else {
        await this.#use(connection, signal);
        // A server that hangs up at once is not asked again at once.
        const lastedMs = this.#options.clock.elapsed() - startedAt;
        failures = lastedMs < this.#options.backoff.initialMs ? failures + 1 : 0;
      }
      if (signal.aborted) return;
      void this.#resolve();
      if (failures > 0) await this.#pause(failures - 1, signal);
    }
  }

  async #connect(group: Group, signal: AbortSignal): Promise<ClientConnection | undefined> {
    const { target, clock } = this.#options;
    const host = target.kind === 'tcp' ? target.at.host : 'localhost';
    let failure: unknown;
    for (const address of group.addresses) {
      try {
        const dialled = await dial(address, host, this.#options, signal);
        const keepalive = { ...this.#options.keepalive, timeMs: this.#keepaliveMs };
        group.hasFailed = false;
        return new ClientConnection(dialled, keepalive, clock);
      } catch (error) {
        if (signal.aborted) return undefined;
        failure = error;
      }
    }
    group.hasFailed = true;
    // Calls wait as long as one of the others may still answer.
    const isLast = [...this.#groups.values()].every(({ hasFailed }) => hasFailed);
    if (this.#connections.length === 0 && isLast) this.#fail(failure);
    return undefined;
  }

  /** Gives calls to the connection until it ends. */
  async #use(connection: ClientConnection, signal: AbortSignal): Promise<void> {
    if (signal.aborted) {
      connection.close();
      return;
    }
    const isFirst = this.#connections.length === 0;
    this.#connections.push(connection);
    this.#failure = undefined;
    this.#announce();
    if (isFirst) this.#options.onReady();
    const close = (): void => connection.close();
    signal.addEventListener('abort', close, { once: true });
    const { isTooManyPings } = await connection.ended;
    signal.removeEventListener('abort', close);
    if (isTooManyPings) this.#keepaliveMs *= 2;
    this.#connections.splice(this.#connections.indexOf(connection), 1);
    if (this.#connections.length > 0) return;
    this.#hurry.abort();
    this.#hurry = new AbortController();
  }

  #fail(error: unknown): void {
    this.#failure = error instanceof Error ? error : new Error(String(error));
    this.#announce();
  }

  /** Lets waiting calls look again. */
  #announce(): void {
    this.#changed.resolve();
    this.#changed = deferred();
  }

  async #pause(failures: number, signal: AbortSignal): Promise<void> {
    const { initialMs, maxMs } = this.#options.backoff;
    const isSpare = this.#connections.length > 0;
    const longestMs = isSpare ? SPARE_BACKOFF_MAX_MS : maxMs;
    const waitMs = Math.min(longestMs, initialMs * BACKOFF_FACTOR ** Math.min(failures, 30));
    const hurry = this.#hurry.signal;
    await withEither([signal, hurry], async (woken) => {
      try {
        await sleep(this.#options.clock, waitMs * (0.8 + Math.random() * 0.4), woken);
      } catch (error) {
        // Woken early: the next attempt is due now.
        if (!woken.aborted) throw error;
      }
    });
  }
}

/** `host:port` for `:authority`. */
export function authorityOf(target: Target): string {
  return target.kind === 'tcp' ? formatHostPort(target.at) : 'localhost';
}
