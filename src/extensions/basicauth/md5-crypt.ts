// SPDX-License-Identifier: Apache-2.0
import { createHash } from 'node:crypto';

const ALPHABET = './0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
/** Bytes of the digest in the order in which they are written, three to a group of four characters. */
const ORDER = [
  [0, 6, 12],
  [1, 7, 13],
  [2, 8, 14],
  [3, 9, 15],
  [4, 10, 5],
] as const;
const ROUNDS = 1_000;

/**
 * What `htpasswd -m` (magic `$apr1$`) or the older crypt (magic `$1$`) writes behind the salt.
 * Source: Apache's apr_md5.c describes the steps, which are those of FreeBSD's crypt_md5.
 */
export function md5Crypt(password: string, salt: string, magic: '$apr1$' | '$1$'): string {
  const secret = Buffer.from(password);
  const inner = md5(secret, salt, secret);
  const first = createHash('md5').update(secret).update(magic).update(salt);
  for (let left = secret.length; left > 0; left -= 16) first.update(inner.subarray(0, Math.min(16, left)));
  // The bits of the length choose between a zero byte and the first byte of the password.
  for (let bits = secret.length; bits > 0; bits >>= 1)
    first.update((bits & 1) === 1 ? Buffer.of(0) : secret.subarray(0, 1));
  let digest: Buffer = first.digest();
  for (let round = 0; round < ROUNDS; round++) {
    const parts: (Buffer | string)[] = [round % 2 === 1 ? secret : digest];
    if (round % 3 !== 0) parts.push(salt);
    if (round % 7 !== 0) parts.push(secret);
    parts.push(round % 2 === 1 ? digest : secret);
    digest = md5(...parts);
  }
  return text(digest);
}

function md5(...parts: readonly (Buffer | string)[]): Buffer {
  const hash = createHash('md5');
  for (const part of parts) hash.update(part);
  return hash.digest();
}

function text(digest: Buffer): string {
  const groups = ORDER.map(([a, b, c]) =>
    group((at(digest, a) << 16) | (at(digest, b) << 8) | at(digest, c), 4),
  );
  return `${groups.join('')}${group(at(digest, 11), 2)}`;
}

const at = (bytes: Buffer, index: number): number => bytes[index] ?? 0;

/** Six bits a character, the lowest first. */
function group(value: number, length: number): string {
  return Array.from({ length }, (_, i) => ALPHABET[(value >> (6 * i)) & 0x3f]).join('');
}
