// SPDX-License-Identifier: Apache-2.0
import { createHash } from 'node:crypto';
import { compare } from 'bcryptjs';
import { isSameSecret } from '../../internal/constant-time.ts';
import { md5Crypt } from './md5-crypt.ts';

/** A password as it is kept. */
export interface StoredPassword {
  /** How long it takes to check, in comparison with others. */
  readonly cost: number;
  isMadeOf(password: string): Promise<boolean>;
}

/** Users and their passwords. */
export type Users = ReadonlyMap<string, StoredPassword>;

const BCRYPT = /^\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}$/;
const MD5_CRYPT = /^(\$apr1\$|\$1\$)([^$]{1,8})\$([./A-Za-z0-9]{22})$/;
/** Each step doubles the time; this one takes some seconds. */
const MAX_BCRYPT_COST = 16;
/** Above the cost of what is not slow on purpose. */
const SLOW = 1;

/** True for a password whose check takes long enough to be rationed. */
export function isSlow({ cost }: StoredPassword): boolean {
  return cost > SLOW;
}

/**
 * Lines `user:password` as Apache's htpasswd writes them: bcrypt, MD5 (apr1), {SHA}, {SSHA}, or the password
 * itself. Of a user who is named twice the last line counts. Throws Error that names the line, and nothing
 * that is in it. Source: https://httpd.apache.org/docs/2.4/misc/password_encryptions.html
 */
export function parseHtpasswd(text: string): Users {
  const users = new Map<string, StoredPassword>();
  for (const [index, raw] of text.split('\n').entries()) {
    const line = raw.replace(/\r$/, '');
    if (line.trim() === '' || line.startsWith('#')) continue;
    const colon = line.indexOf(':');
    if (colon <= 0) throw new Error(`line ${index + 1} is not "user:password"`);
    users.set(line.slice(0, colon), stored(line.slice(colon + 1), index + 1));
  }
  return users;
}

function stored(text: string, line: number): StoredPassword {
  if (text === '') throw new Error(`line ${line} has an empty password`);
  const [, bcryptCost] = BCRYPT.exec(text) ?? [];
  if (bcryptCost !== undefined) return bcrypt(text, Number(bcryptCost), line);
  const [, magic, salt = '', digest = ''] = MD5_CRYPT.exec(text) ?? [];
  if (magic === '$apr1$' || magic === '$1$')
    return {
      cost: SLOW,
      isMadeOf: async (password) => isSameSecret(md5Crypt(password, salt, magic), digest),
    };
  if (text.startsWith('{SHA}') || text.startsWith('{SSHA}')) return sha1(text, line);
  if (/^\$[0-9a-z]+\$/.test(text))
    throw new Error(
      `line ${line} is in a form that is not supported (use bcrypt: "htpasswd -B"; MD5, {SHA} and {SSHA} work too)`,
    );
  return { cost: 0, isMadeOf: async (password) => isSameSecret(password, text) };
}

function bcrypt(hash: string, cost: number, line: number): StoredPassword {
  if (cost < 4 || cost > MAX_BCRYPT_COST)
    throw new Error(`line ${line}: bcrypt cost ${cost} is not between 4 and ${MAX_BCRYPT_COST}`);
  return { cost: SLOW + 2 ** cost, isMadeOf: (password) => compare(password, hash) };
}

/** Without salt: SHA-1 alone; with salt it stands behind the 20 bytes of the digest. */
function sha1(text: string, line: number): StoredPassword {
  const isSalted = text.startsWith('{SSHA}');
  const bytes = Buffer.from(text.slice(text.indexOf('}') + 1), 'base64');
  if (bytes.length < 20 || (!isSalted && bytes.length > 20))
    throw new Error(`line ${line} is no SHA-1 digest`);
  const digest = bytes.subarray(0, 20).toString('hex');
  const salt = bytes.subarray(20);
  return {
    cost: 0,
    isMadeOf: async (password) =>
      isSameSecret(createHash('sha1').update(password).update(salt).digest('hex'), digest),
  };
}
