// SPDX-License-Identifier: Apache-2.0
import type { ClientAuthenticator, ServerAuthenticator } from '../../component/authenticator.ts';
import type { Extension, Settings } from '../../component/component.ts';
import { type Clock, systemClock } from '../../internal/clock.ts';
import type { Warn } from '../../internal/secret-file.ts';
import { BasicAuthClient } from './client.ts';
import type { Config } from './config.ts';
import { BasicAuthServer } from './server.ts';

/** HTTP Basic authentication (RFC 7617), of exporters or in front of receivers. */
export class BasicAuth implements Extension {
  readonly #client: BasicAuthClient | undefined;
  readonly #server: BasicAuthServer | undefined;

  constructor({ logger }: Settings, { client_auth, htpasswd }: Config, clock: Clock = systemClock) {
    const warn: Warn = (message, fields) => logger.warn(message, fields);
    this.#client = client_auth && new BasicAuthClient(client_auth, warn, clock);
    this.#server = htpasswd && new BasicAuthServer(htpasswd, warn, clock);
  }

  get clientAuthenticator(): ClientAuthenticator | undefined {
    return this.#client;
  }

  get serverAuthenticator(): ServerAuthenticator | undefined {
    return this.#server;
  }

  async start(): Promise<void> {
    await this.#client?.start();
    await this.#server?.start();
  }

  async shutdown(): Promise<void> {
    this.#server?.stop();
  }
}
