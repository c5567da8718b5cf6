// SPDX-License-Identifier: Apache-2.0
import { readFile } from 'node:fs/promises';
import { rootCertificates, type SecureContextOptions } from 'node:tls';
import { readSecretFile, type Warn } from '../../internal/secret-file.ts';
import type { Secret } from './secret.ts';
import { CIPHER_SUITES, CURVES, type TlsClientConfig, type TlsServerConfig } from './tls.ts';

/** Certificates and limits as node:tls takes them. Absent `ca` means the system's roots. */
export type TlsMaterial = Pick<
  SecureContextOptions,
  'ca' | 'cert' | 'key' | 'minVersion' | 'maxVersion' | 'ciphers' | 'ecdhCurve'
>;

/** Reads the files that a TLS section names; rejects with an Error that names the file and key. */
export async function loadTlsMaterial(
  tls: TlsClientConfig | TlsServerConfig,
  warn?: Warn,
): Promise<TlsMaterial> {
  const clientCaFile = 'client_ca_file' in tls ? tls.client_ca_file : undefined;
  const [ca, cert, key, clientCa] = await Promise.all([
    pem('ca_file', tls.ca_file, tls.ca_pem),
    pem('cert_file', tls.cert_file, tls.cert_pem),
    pem('key_file', tls.key_file, tls.key_pem, warn),
    pem('client_ca_file', clientCaFile, undefined),
  ]);
  const authorities = [ca, clientCa].filter((text) => text !== undefined);
  if (authorities.length > 0 && tls.include_system_ca_certs_pool) authorities.push(...rootCertificates);
  return {
    ...(authorities.length > 0 && { ca: authorities }),
    ...(cert !== undefined && { cert }),
    ...(key !== undefined && { key }),
    minVersion: `TLSv1${tls.min_version.slice(1)}` as 'TLSv1.2',
    ...(tls.max_version !== undefined && { maxVersion: `TLSv1${tls.max_version.slice(1)}` as 'TLSv1.3' }),
    ...(tls.cipher_suites !== undefined && {
      ciphers: tls.cipher_suites.map((name) => CIPHER_SUITES[name]).join(':'),
    }),
    ...(tls.curve_preferences !== undefined && {
      ecdhCurve: tls.curve_preferences.map((name) => CURVES[name]).join(':'),
    }),
  };
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
