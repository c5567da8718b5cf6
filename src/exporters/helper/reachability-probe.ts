// SPDX-License-Identifier: Apache-2.0
import { connect, isIP, type Socket } from 'node:net';
import type { Clock, Timer } from '../../internal/clock.ts';
import { errorTypeOf } from './delivery.ts';

const PROBE_EVERY_MS = 1_000;
/** A dead name server in front of a live one costs a look-up five seconds, and requests wait that long too. */
const LOOKUP_TIMEOUT_MS = 10_000;

/**
 * After a connection failed, tries once a second whether the server accepts connections again, so that
 * what waits in a backoff of many seconds is sent as soon as it can be. A probe opens and closes a
 * connection and sends nothing. At most one runs at a time.
 */
export class ReachabilityProbe {
  readonly #host: string;
  readonly #port: number;
  readonly #clock: Clock;
  readonly #onReachable: () => void;
  #timer: Timer | undefined;
  #socket: Socket | undefined;
  #isStopped = false;

  constructor(url: string, clock: Clock, onReachable: () => void) {
    const { hostname, port, protocol } = new URL(url);
    this.#host = hostname.replace(/^\[|\]$/g, '');
    this.#port = port === '' ? (protocol === 'https:' ? 443 : 80) : Number(port);
    this.#clock = clock;
    this.#onReachable = onReachable;
  }

  /** Tells of a failed attempt; answers of a server are no reason to probe. */
  failed(error: unknown): void {
    if (errorTypeOf(error) === 'Unavailable') this.#schedule();
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
    this.#socket?.destroy();
  }

  #schedule(): void {
    if (this.#isStopped || this.#timer !== undefined) return;
    this.#timer = this.#clock.setTimeout(() => this.#probe(), PROBE_EVERY_MS);
  }

  #probe(): void {
    const socket = connect({ host: this.#host, port: this.#port });
    this.#socket = socket;
    const end = (isReachable: boolean): void => {
      if (this.#socket !== socket) return;
      socket.destroy();
      this.#socket = undefined;
      this.#timer = undefined;
      if (this.#isStopped) return;
      if (isReachable) this.#onReachable();
      else this.#schedule();
    };
    socket.setTimeout(isIP(this.#host) === 0 ? LOOKUP_TIMEOUT_MS : PROBE_EVERY_MS);
    socket.once('lookup', () => socket.setTimeout(PROBE_EVERY_MS));
    socket.once('connect', () => end(true));
    socket.once('timeout', () => end(false));
    socket.once('error', () => end(false));
  }
}
