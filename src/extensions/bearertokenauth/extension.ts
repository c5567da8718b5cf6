// SPDX-License-Identifier: Apache-2.0
import {
  AuthenticationError,
  type ClientAuthenticator,
  type IncomingHeaders,
  type RequestHeaders,
  type ServerAuthenticator,
} from '../../component/authenticator.ts';
import type { Extension, Settings } from '../../component/component.ts';
import { RetryableError } from '../../consumer/consumer.ts';
import { type Clock, systemClock } from '../../internal/clock.ts';
import { isSameSecret } from '../../internal/constant-time.ts';
import { SecretFile } from '../../internal/secret-file.ts';
import type { Config } from './config.ts';
import { parseTokens } from './tokens.ts';

/** Sends a bearer token with requests of exporters, and lets requests with one of its tokens into receivers. */
export class BearerTokenAuth implements Extension, ClientAuthenticator, ServerAuthenticator {
  readonly clientAuthenticator: ClientAuthenticator = this;
  readonly serverAuthenticator: ServerAuthenticator = this;
  readonly challenge: string;
  readonly #header: string;
  readonly #scheme: string;
  readonly #tokens: readonly string[];
  readonly #file: SecretFile<readonly string[]> | undefined;
  readonly #logger: Settings['logger'];

  constructor({ logger }: Settings, config: Config, clock: Clock = systemClock) {
    const { header, scheme, token, tokens = [], filename } = config;
    this.#logger = logger;
    this.challenge = scheme === '' ? 'Bearer' : scheme;
    this.#header = header.toLowerCase();
    this.#scheme = scheme;
    this.#tokens = [...(token === undefined ? [] : [token]), ...tokens].map((one) => one.reveal());
    this.#file =
      filename === undefined
        ? undefined
        : new SecretFile(filename, parseTokens, (message, fields) => logger.warn(message, fields), clock);
  }

  async start(): Promise<void> {
    await this.#file?.read();
    if (this.#file !== undefined && this.#tokens.length > 0)
      this.#logger.warn('the tokens of the file are used, not those of the configuration: filename wins');
  }

  async shutdown(): Promise<void> {}

  async authorize(headers: RequestHeaders): Promise<RequestHeaders> {
    const [token = ''] = await this.#current();
    return { ...headers, [this.#header]: this.#scheme === '' ? token : `${this.#scheme} ${token}` };
  }

  /** A token that was just replaced is refused as long as the old one is sent. */
  async refused(): Promise<boolean> {
    return (await this.#file?.hasChanged()) === true;
  }

  async authenticate(headers: IncomingHeaders): Promise<void> {
    const value = headers[this.#header];
    if (typeof value !== 'string' || value === '')
      throw new AuthenticationError(`missing or empty header "${this.#header}"`);
    const given = this.#withoutScheme(value);
    if (await this.#isKnown(given)) return;
    // The sender may have heard of a new token sooner.
    if ((await this.#file?.hasChanged()) === true && (await this.#isKnown(given))) return;
    throw new AuthenticationError('the token is not valid');
  }

  /** All are compared, so that the time does not tell which one was right. */
  async #isKnown(given: string): Promise<boolean> {
    return (await this.#current()).map((token) => isSameSecret(token, given)).includes(true);
  }

  #withoutScheme(value: string): string {
    if (this.#scheme === '') return value;
    const at = value.indexOf(' ');
    if (at < 0 || value.slice(0, at).toLowerCase() !== this.#scheme.toLowerCase())
      throw new AuthenticationError(`header "${this.#header}" must be "${this.#scheme} <token>"`);
    return value.slice(at + 1).trim();
  }

  async #current(): Promise<readonly string[]> {
    if (this.#file === undefined) return this.#tokens;
    try {
      return await this.#file.read();
    } catch (cause) {
      throw new RetryableError(cause instanceof Error ? cause.message : String(cause), { cause });
    }
  }
}
