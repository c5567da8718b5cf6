// SPDX-License-Identifier: Apache-2.0
import { readFile } from 'node:fs/promises';
import { rootCertificates } from 'node:tls';

/** Where the distributions keep the authorities that this host trusts. Source: Go's crypto/x509 root_linux.go. */
const BUNDLES = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/pki/tls/cacert.pem',
  '/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem',
  '/etc/ssl/cert.pem',
];

/**
 * The authorities that this host trusts, as PEM: of the file that SSL_CERT_FILE names, or of the first of the
 * usual ones; where there is none, those that come with Node. An administrator's own authority is among the
 * former and never among the latter.
 */
export async function systemRoots(
  env: Readonly<Record<string, string | undefined>> = process.env,
): Promise<string> {
  const named = env['SSL_CERT_FILE'] ?? '';
  for (const path of named === '' ? BUNDLES : [named]) {
    try {
      return await readFile(path, 'utf8');
    } catch (error) {
      if (named !== '')
        throw new Error(`failed to load SSL_CERT_FILE "${named}": ${String(error)}`, { cause: error });
    }
  }
  return rootCertificates.join('\n');
}
