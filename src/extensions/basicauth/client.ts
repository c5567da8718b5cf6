// SPDX-License-Identifier: Apache-2.0
import type { ClientAuthenticator, RequestHeaders } from '../../component/authenticator.ts';
import { RetryableError } from '../../consumer/consumer.ts';
import type { Clock } from '../../internal/clock.ts';
import { SecretFile, type Warn } from '../../internal/secret-file.ts';
import type { ClientConfig } from './config.ts';

/** Sends a user name and password. */
export class BasicAuthClient implements ClientAuthenticator {
  readonly #config: ClientConfig;
  readonly #files: { readonly username?: SecretFile<string>; readonly password?: SecretFile<string> };

  constructor(config: ClientConfig, warn: Warn, clock: Clock) {
    const fileOf = (path: string, parse: (text: string) => string): SecretFile<string> =>
      new SecretFile(path, parse, warn, clock);
    const { username_file, password_file } = config;
    this.#config = config;
    this.#files = {
      ...(username_file !== undefined && { username: fileOf(username_file, userName) }),
      ...(password_file !== undefined && { password: fileOf(password_file, firstLine) }),
    };
  }

  async start(): Promise<void> {
    await this.#credentials();
  }

  async authorize(headers: RequestHeaders): Promise<RequestHeaders> {
    try {
      return {
        ...headers,
        authorization: `Basic ${Buffer.from(await this.#credentials()).toString('base64')}`,
      };
    } catch (cause) {
      throw new RetryableError(cause instanceof Error ? cause.message : String(cause), { cause });
    }
  }

  /** A password that was just replaced is refused as long as the old one is sent. */
  async refused(): Promise<boolean> {
    const files = [this.#files.username, this.#files.password].filter((file) => file !== undefined);
    return (await Promise.all(files.map((file) => file.hasChanged()))).includes(true);
  }

  async #credentials(): Promise<string> {
    const { username, password } = this.#config;
    const user = (await this.#files.username?.read()) ?? username ?? '';
    const secret = (await this.#files.password?.read()) ?? password?.reveal() ?? '';
    return `${user}:${secret}`;
  }
}

/** What stands before the line's end, which editors add. */
function firstLine(text: string): string {
  const [line = '', ...rest] = text.split(/\r?\n/);
  if (line === '') throw new Error('the first line is empty');
  if (rest.some((other) => other !== '')) throw new Error('there is more than one line');
  return line;
}

function userName(text: string): string {
  const name = firstLine(text);
  if (name.includes(':')) throw new Error('a user name must not hold ":"');
  return name;
}
