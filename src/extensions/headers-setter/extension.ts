// SPDX-License-Identifier: Apache-2.0
import type { ClientAuthenticator, RequestHeaders } from '../../component/authenticator.ts';
import type { Extension } from '../../component/component.ts';
import type { Config } from './config.ts';

/** Changes the headers of requests that exporters send. */
export class HeadersSetter implements Extension, ClientAuthenticator {
  readonly clientAuthenticator: ClientAuthenticator = this;
  readonly #rules: Config['headers'];

  constructor({ headers }: Config) {
    this.#rules = headers;
  }

  async start(): Promise<void> {}

  async shutdown(): Promise<void> {}

  /** In the order of the rules; `insert` leaves what is there, `update` what is not. */
  async authorize(headers: RequestHeaders): Promise<RequestHeaders> {
    const changed = new Map(Object.entries(headers));
    for (const { key, action, value } of this.#rules) {
      const name = key.toLowerCase();
      if (action === 'delete') changed.delete(name);
      else if (action === 'upsert' || changed.has(name) === (action === 'update'))
        changed.set(name, value?.reveal() ?? '');
    }
    return Object.fromEntries(changed);
  }
}
