// SPDX-License-Identifier: Apache-2.0
import type { ClientHttp2Session } from 'node:http2';
import type { Socket } from 'node:net';
import type { Clock, Timer } from '../internal/clock.ts';
import { callUnary, type ClientRequest } from './client-call.ts';
import type { Dialled } from './dial.ts';
import { MAX_TIMER_MS } from './timeout.ts';

/** How a client finds out that a silent server has gone. */
export interface ClientKeepalive {
  /** Silence after which it asks; 0: never. */
  readonly timeMs: number;
  /** How long the answer may take before the connection is given up. */
  readonly timeoutMs: number;
  /** Also while no call is running. */
  readonly permitWithoutCalls: boolean;
}

/** Why a connection takes no more calls. `isTooManyPings`: the server asks for a slower keepalive. */
export interface ConnectionEnded {
  readonly reason: string;
  readonly isTooManyPings: boolean;
}

/**
 * A connection to a server that answered. Calls that run when it is told to go finish; `ended` says that
 * new ones must go elsewhere.
 * Source: https://github.com/grpc/proposal/blob/master/A8-client-side-keepalive.md
 */
export class ClientConnection {
  readonly ended: Promise<ConnectionEnded>;
  readonly #session: ClientHttp2Session;
  readonly #socket: Socket;
  readonly #keepalive: ClientKeepalive;
  readonly #clock: Clock;
  #calls = 0;
  #lastActiveAt: number;
  #timer: Timer | undefined;
  #isOver = false;

  constructor({ session, socket }: Dialled, keepalive: ClientKeepalive, clock: Clock) {
    this.#session = session;
    this.#socket = socket;
    this.#keepalive = keepalive;
    this.#clock = clock;
    this.#lastActiveAt = clock.elapsed();
    this.ended = new Promise((resolve) => {
      const end = (reason: string, isTooManyPings = false): void => {
        resolve({ reason, isTooManyPings });
        this.close();
      };
      session.on('goaway', (code, _lastStreamId, data) => {
        const text = data?.length > 0 ? Buffer.from(data).toString('latin1') : '';
        end(`the server said goodbye with code ${code} ${text}`.trimEnd(), text === 'too_many_pings');
      });
      session.on('error', (error: Error) => end(error.message));
      session.once('close', () => {
        this.#timer?.cancel();
        end('the connection was closed');
      });
    });
    this.#watch();
  }

  get isUsable(): boolean {
    return !this.#isOver && !this.#session.closed && !this.#session.destroyed;
  }

  /** As `callUnary`. */
  async call(request: ClientRequest, signal: AbortSignal): Promise<Uint8Array> {
    this.#calls++;
    this.#watch();
    try {
      return await callUnary(this.#session, request, signal, () => this.#active());
    } finally {
      this.#calls--;
      this.#hangUp();
    }
  }

  /** Takes no more calls, and ends the connection when those that are running have ended. */
  close(): void {
    this.#isOver = true;
    this.#hangUp();
  }

  /** Does not wait for the server to close its side. */
  #hangUp(): void {
    if (!this.#isOver || this.#calls > 0) return;
    this.#session.destroy();
    this.#socket.destroy();
  }

  #active(): void {
    this.#lastActiveAt = this.#clock.elapsed();
  }

  /** Waits for a silence to ask into, while there is reason to. */
  #watch(): void {
    const { timeMs, permitWithoutCalls } = this.#keepalive;
    if (timeMs === 0 || this.#timer !== undefined || this.#session.destroyed) return;
    if (this.#calls === 0 && !permitWithoutCalls) return;
    const silentMs = this.#clock.elapsed() - this.#lastActiveAt;
    const waitMs = Math.min(MAX_TIMER_MS, Math.max(1, timeMs - silentMs));
    this.#timer = this.#clock.setTimeout(() => {
      this.#timer = undefined;
      const isSilent = this.#clock.elapsed() - this.#lastActiveAt >= timeMs;
      if (isSilent && (this.#calls > 0 || permitWithoutCalls)) this.#ask();
      else this.#watch();
    }, waitMs);
  }

  #ask(): void {
    if (this.#session.destroyed) return;
    const lost = new Error('the server did not answer the keepalive ping');
    this.#timer = this.#clock.setTimeout(() => this.#session.destroy(lost), this.#keepalive.timeoutMs);
    this.#session.ping(() => {
      this.#timer?.cancel();
      this.#timer = undefined;
      this.#active();
      this.#watch();
    });
  }
}
