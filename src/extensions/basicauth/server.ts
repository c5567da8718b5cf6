// SPDX-License-Identifier: Apache-2.0
import { createHmac, randomBytes } from 'node:crypto';
import {
  AuthenticationError,
  type IncomingHeaders,
  type ServerAuthenticator,
} from '../../component/authenticator.ts';
import { RetryableError } from '../../consumer/consumer.ts';
import type { Clock } from '../../internal/clock.ts';
import { Lru } from '../../internal/lru.ts';
import { SecretFile, type Warn } from '../../internal/secret-file.ts';
import type { HtpasswdConfig } from './config.ts';
import { isSlow, parseHtpasswd, type StoredPassword, type Users } from './htpasswd.ts';
import { Ration } from './ration.ts';

/** Credentials that were right are remembered, so that bcrypt runs once for each and not for each request. */
const MAX_REMEMBERED = 1_024;

/** Lets in whoever gives a user and password of an htpasswd file or text. */
export class BasicAuthServer implements ServerAuthenticator {
  readonly challenge = 'Basic realm="otelcol-profiles", charset="UTF-8"';
  readonly #inline: Users;
  readonly #file: SecretFile<Users> | undefined;
  readonly #ration: Ration;
  /** Of this process alone: what is remembered tells nothing without it. */
  readonly #key = randomBytes(32);
  #remembered = new Lru<string, true>(MAX_REMEMBERED);
  #rememberedOf: Users | undefined;
  #users: { readonly file: Users | undefined; readonly all: Users } | undefined;

  constructor({ file, inline }: HtpasswdConfig, warn: Warn, clock: Clock) {
    this.#inline = parseHtpasswd(inline?.reveal() ?? '');
    this.#file = file === undefined ? undefined : new SecretFile(file, parseHtpasswd, warn, clock);
    this.#ration = new Ration(clock);
  }

  async start(): Promise<void> {
    await this.#file?.read();
  }

  stop(): void {
    this.#ration.stop();
  }

  async authenticate(headers: IncomingHeaders): Promise<void> {
    const [user, password] = credentialsOf(headers.authorization);
    if (await this.#isRight(user, password)) return;
    // The sender may have heard of a new password sooner.
    if ((await this.#file?.hasChanged()) === true && (await this.#isRight(user, password))) return;
    throw new AuthenticationError('invalid credentials');
  }

  async #isRight(user: string, password: string): Promise<boolean> {
    const users = await this.#current();
    const key = createHmac('sha256', this.#key).update(`${user}:${password}`).digest('base64');
    if (this.#rememberedOf === users && this.#remembered.get(key) === true) return true;
    if (!(await this.#check(users, user, password))) return false;
    if (this.#rememberedOf !== users) {
      this.#remembered = new Lru(MAX_REMEMBERED);
      this.#rememberedOf = users;
    }
    this.#remembered.set(key, true);
    return true;
  }

  /** A user who is unknown costs as much as one whose password is wrong. */
  async #check(users: Users, user: string, password: string): Promise<boolean> {
    const own = users.get(user);
    const stored = own ?? mostCostly(users);
    if (stored === undefined) return false;
    const isMade = isSlow(stored)
      ? await this.#ration.run(() => stored.isMadeOf(password))
      : await stored.isMadeOf(password);
    return isMade && own !== undefined;
  }

  /** The same map as long as nothing has changed. */
  async #current(): Promise<Users> {
    let file: Users | undefined;
    try {
      file = await this.#file?.read();
    } catch (cause) {
      throw new RetryableError('users cannot be loaded', { cause });
    }
    if (this.#users === undefined || this.#users.file !== file)
      this.#users = { file, all: new Map([...(file ?? []), ...this.#inline]) };
    return this.#users.all;
  }
}

function mostCostly(users: Users): StoredPassword | undefined {
  let most: StoredPassword | undefined;
  for (const stored of users.values()) if (most === undefined || stored.cost > most.cost) most = stored;
  return most;
}

/** User and password of an `Authorization` header. Source: RFC 7617. */
function credentialsOf(value: string | string[] | undefined): readonly [user: string, password: string] {
  if (typeof value !== 'string' || value === '') throw new AuthenticationError('no basic auth provided');
  const [, encoded] = /^basic +([A-Za-z0-9+/_-]+=*) *$/i.exec(value) ?? [];
  if (encoded === undefined) throw new AuthenticationError('invalid authorization scheme prefix');
  const text = Buffer.from(encoded, 'base64').toString('utf8');
  const colon = text.indexOf(':');
  if (colon < 0) throw new AuthenticationError('invalid authorization format');
  return [text.slice(0, colon), text.slice(colon + 1)];
}
