// SPDX-License-Identifier: Apache-2.0
import type { ServerResponse } from 'node:http';
import { type Clock, repeat, type Timer } from '../../internal/clock.ts';
import { HttpError } from '../../internal/http-server.ts';

const MAX_STREAMS = 32;
const TICK_MS = 1000;
/** Silence in which proxies are told that the stream lives. */
const HEARTBEAT_TICKS = 15;

/** Tells open pages, at most once a second, that new data is there (server-sent events). */
export class EventStreams {
  readonly #clock: Clock;
  readonly #streams = new Set<ServerResponse>();
  #timer: Timer | undefined;
  #isDirty = false;
  #silentTicks = 0;
  #sent = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Answers with a stream that stays open. Throws HttpError 503 beyond 32 of them. */
  open(response: ServerResponse): void {
    if (this.#streams.size >= MAX_STREAMS)
      throw new HttpError(503, `more than ${MAX_STREAMS} pages are open`);
    response.writeHead(200, { 'content-type': 'text/event-stream', 'x-accel-buffering': 'no' });
    response.write('retry: 2000\n\n');
    this.#streams.add(response);
    response.once('close', () => {
      this.#streams.delete(response);
      if (this.#streams.size === 0) this.#stop();
    });
    this.#timer ??= repeat(this.#clock, TICK_MS, () => this.#tick());
  }

  /** New data arrived. */
  notify(): void {
    this.#isDirty = true;
  }

  close(): void {
    this.#stop();
    for (const stream of this.#streams) stream.end();
  }

  #stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #tick(): void {
    this.#silentTicks++;
    if (this.#isDirty) this.#send(`event: data\ndata: ${++this.#sent}\n\n`);
    else if (this.#silentTicks >= HEARTBEAT_TICKS) this.#send(': still here\n\n');
  }

  #send(text: string): void {
    this.#isDirty = false;
    this.#silentTicks = 0;
    for (const stream of this.#streams) {
      // A page that does not read gets the next tick instead of a queue of old ones.
      if (!stream.writableNeedDrain) stream.write(text);
    }
  }
}
