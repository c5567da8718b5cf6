// SPDX-License-Identifier: Apache-2.0
import { readFile } from 'node:fs/promises';
import type { SecureContextOptions } from 'node:tls';
import { readSecretFile, type Warn } from '../../internal/secret-file.ts';
import type { Secret } from './secret.ts';
import { systemRoots } from './system-roots.ts';
import { CIPHER_SUITES, CURVES, type TlsClientConfig, type TlsServerConfig } from './tls.ts';

/** Certificates and limits as node:tls takes them. */
export type TlsMaterial = Pick<
  SecureContextOptions,
  'ca' | 'cert' | 'key' | 'minVersion' | 'maxVersion' | 'ciphers' | 'ecdhCurve'
>;

/** Go does not let these be configured: they are there whenever TLS 1.3 is. */
const TLS_1_3_SUITES = ['TLS_AES_128_GCM_SHA256', 'TLS_AES_256_GCM_SHA384', 'TLS_CHACHA20_POLY1305_SHA256'];

/**
 * Reads the files that a TLS section names; rejects with an Error that names the file and key. `ca` is, of a
 * client, what servers are proven by, and of a server, what clients are: nothing else lets a client in.
 */
export async function loadTlsMaterial(
  tls: TlsClientConfig | TlsServerConfig,
  warn?: Warn,
): Promise<TlsMaterial> {
  const [ca, cert, key] = await Promise.all([
    'insecure' in tls ? serverAuthorities(tls) : clientAuthorities(tls),
    pem('cert_file', tls.cert_file, tls.cert_pem),
    pem('key_file', tls.key_file, tls.key_pem, warn),
  ]);
  const ciphers = cipherList(tls);
  return {
    ...(ca.length > 0 && { ca }),
    ...(cert !== undefined && { cert }),
    ...(key !== undefined && { key }),
    minVersion: `TLSv1${tls.min_version === '1.0' ? '' : tls.min_version.slice(1)}` as 'TLSv1.2',
    ...(tls.max_version !== undefined && {
      maxVersion: `TLSv1${tls.max_version === '1.0' ? '' : tls.max_version.slice(1)}` as 'TLSv1.3',
    }),
    ...(ciphers !== undefined && { ciphers }),
    ...(tls.curve_preferences !== undefined && {
      ecdhCurve: tls.curve_preferences.map((name) => CURVES[name]).join(':'),
    }),
  };
}

async function serverAuthorities(tls: TlsClientConfig): Promise<string[]> {
  const own = await pem('ca_file', tls.ca_file, tls.ca_pem);
  if (own === undefined) return [await systemRoots()];
  return tls.include_system_ca_certs_pool ? [own, await systemRoots()] : [own];
}

async function clientAuthorities(tls: TlsServerConfig): Promise<string[]> {
  const own = await pem('client_ca_file', tls.client_ca_file, undefined);
  return own === undefined ? [] : [own];
}

/** OpenSSL refuses the signatures of TLS 1.0 and 1.1 above security level 0. */
function cipherList({
  cipher_suites: suites,
  min_version,
}: TlsClientConfig | TlsServerConfig): string | undefined {
  const level = min_version < '1.2' ? ['@SECLEVEL=0'] : [];
  if (suites === undefined || suites.length === 0)
    return level.length === 0 ? undefined : 'DEFAULT:@SECLEVEL=0';
  const configured = suites
    .map((name) => CIPHER_SUITES[name] ?? name)
    .filter((name) => !TLS_1_3_SUITES.includes(name));
  // Without their names Node would switch TLS 1.3 off.
  return [...TLS_1_3_SUITES, ...configured, ...level].join(':');
}

async function pem(
  key: string,
  file: string | undefined,
  text: Secret | undefined,
  warn?: Warn,
): Promise<string | undefined> {
  if (file === undefined || file === '') return text?.reveal();
  try {
    return await (key === 'key_file' ? readSecretFile(file, warn) : readFile(file, 'utf8'));
  } catch (error) {
    throw new Error(
      `failed to load ${key} "${file}": ${error instanceof Error ? error.message : String(error)}`,
      { cause: error },
    );
  }
}
