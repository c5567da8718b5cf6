// SPDX-License-Identifier: Apache-2.0
import { Client, Dispatcher } from 'undici';

/**
 * The connections to one server: as many as requests are under way at once. undici's Pool without its queue, in which
 * nothing ever waits where connections have no limit, and whose empty ring takes 16 KB: a third of what a scraped
 * target costs.
 */
export class Connections extends Dispatcher {
  readonly #make: () => Client;
  readonly #clients = new Set<Client>();
  /** Those that can take no further request before the one that is under way is over. */
  readonly #busy = new Set<Client>();

  constructor(origin: string | URL, options: Client.Options) {
    super();
    this.#make = () => new Client(origin, options);
  }

  override dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    const client = this.#free() ?? this.#added();
    // One that is refused for what it asks is not under way.
    if (!client.dispatch(options, handler) && client.stats.size > 0) this.#busy.add(client);
    return true;
  }

  #free(): Client | undefined {
    for (const client of this.#clients) if (!this.#busy.has(client)) return client;
    return undefined;
  }

  #added(): Client {
    const client = this.#make();
    this.#clients.add(client);
    return client
      .on('drain', () => this.#busy.delete(client))
      .on('connect', (origin, targets) => this.emit('connect', origin, [this, ...targets]))
      .on('disconnect', (origin, targets, error) =>
        this.emit('disconnect', origin, [this, ...targets], error),
      )
      .on('connectionError', (origin, targets, error) => {
        // It fails what waits for it, and is of no use after that.
        this.#clients.delete(client);
        this.#busy.delete(client);
        this.emit('connectionError', origin, [this, ...targets], error);
      });
  }

  /** What is under way goes on to its end. */
  override close(): Promise<void>;
  override close(whenOver: () => void): void;
  override close(whenOver?: () => void): Promise<void> | void {
    const open = [...this.#clients].filter((client) => !client.destroyed);
    return settled(
      open.map((client) => client.close()),
      whenOver,
    );
  }

  override destroy(error?: Error | null): Promise<void>;
  override destroy(error: Error | null, whenOver: () => void): void;
  override destroy(whenOver: () => void): void;
  override destroy(error?: Error | null | (() => void), whenOver?: () => void): Promise<void> | void {
    const [why, told] = typeof error === 'function' ? [null, error] : [error ?? null, whenOver];
    return settled(
      [...this.#clients].map((client) => client.destroy(why)),
      told,
    );
  }
}

function settled(all: readonly Promise<void>[], whenOver: (() => void) | undefined): Promise<void> | void {
  const over = Promise.all(all).then(() => undefined);
  if (whenOver === undefined) return over;
  over.then(whenOver, whenOver);
}
