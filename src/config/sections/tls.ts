// SPDX-License-Identifier: Apache-2.0
import * as z from 'zod';
import { durationSchema } from './duration.ts';
import { secretSchema } from './secret.ts';
import { notActing, section, stringListSchema } from './section.ts';

/** Go's names of secure cipher suites, and OpenSSL's. Those of TLS 1.3 may be named, and are there in any case. */
export const CIPHER_SUITES: Readonly<Record<string, string>> = {
  TLS_AES_128_GCM_SHA256: 'TLS_AES_128_GCM_SHA256',
  TLS_AES_256_GCM_SHA384: 'TLS_AES_256_GCM_SHA384',
  TLS_CHACHA20_POLY1305_SHA256: 'TLS_CHACHA20_POLY1305_SHA256',
  TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA: 'ECDHE-ECDSA-AES128-SHA',
  TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA: 'ECDHE-RSA-AES128-SHA',
  TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA: 'ECDHE-ECDSA-AES256-SHA',
  TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA: 'ECDHE-RSA-AES256-SHA',
  TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256: 'ECDHE-ECDSA-AES128-GCM-SHA256',
  TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256: 'ECDHE-RSA-AES128-GCM-SHA256',
  TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384: 'ECDHE-ECDSA-AES256-GCM-SHA384',
  TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384: 'ECDHE-RSA-AES256-GCM-SHA384',
  TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256: 'ECDHE-ECDSA-CHACHA20-POLY1305',
  TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256: 'ECDHE-RSA-CHACHA20-POLY1305',
};

/** Go's names of elliptic curves, and OpenSSL's. */
export const CURVES: Readonly<Record<string, string>> = {
  X25519: 'X25519',
  P256: 'P-256',
  P384: 'P-384',
  P521: 'P-521',
};

const versionSchema = z.enum(['1.0', '1.1', '1.2', '1.3']);

const namesOf = (table: Readonly<Record<string, string>>, what: string) =>
  stringListSchema.superRefine((names, issues) => {
    for (const name of names) {
      if (table[name] !== undefined) continue;
      issues.addIssue({
        code: 'custom',
        message: `unsupported ${what} "${name}" (valid values: [${Object.keys(table).join(' ')}])`,
      });
    }
  });

const commonShape = {
  ca_file: z.string().optional(),
  ca_pem: secretSchema.optional(),
  include_system_ca_certs_pool: z.boolean().default(false),
  cert_file: z.string().optional(),
  cert_pem: secretSchema.optional(),
  key_file: z.string().optional(),
  key_pem: secretSchema.optional(),
  min_version: versionSchema.default('1.2'),
  max_version: versionSchema.optional(),
  cipher_suites: namesOf(CIPHER_SUITES, 'TLS cipher suite').optional(),
  include_insecure_cipher_suites: notActing(z.boolean(), 'does not act: insecure suites are never offered'),
  curve_preferences: namesOf(CURVES, 'TLS curve').optional(),
  /** How often certificates are looked at while the collector runs; unset or 0: never. */
  reload_interval: durationSchema().optional(),
};

const clientShape = {
  ...commonShape,
  insecure: z.boolean().default(false),
  insecure_skip_verify: z.boolean().default(false),
  server_name_override: z.string().optional(),
};

const serverShape = {
  ...commonShape,
  client_ca_file: z.string().optional(),
  client_ca_file_reload: z.boolean().default(false),
};

type Common = z.output<z.ZodObject<typeof commonShape>>;

function check(tls: Common, issues: z.core.$RefinementCtx): void {
  const fail = (message: string): void => {
    issues.addIssue({ code: 'custom', message });
  };
  for (const name of ['ca', 'cert', 'key'] as const) {
    if (isSet(tls[`${name}_file`]) && isSet(tls[`${name}_pem`]))
      fail(`provide either ${name}_file or ${name}_pem, not both`);
  }
  const certificate = isSet(tls.cert_file) || isSet(tls.cert_pem);
  const key = isSet(tls.key_file) || isSet(tls.key_pem);
  if (certificate !== key)
    fail(
      `provide both certificate and key, or neither: ${certificate ? 'key_file or key_pem' : 'cert_file or cert_pem'} is missing`,
    );
  if (tls.max_version !== undefined && tls.max_version < tls.min_version) {
    fail(`min_version "${tls.min_version}" must not be above max_version "${tls.max_version}"`);
  }
}

const isSet = (value: unknown): boolean => value !== undefined && value !== '';

/** TLS towards a server. Plaintext needs `insecure: true`. Keys and defaults of upstream's configtls. */
export const tlsClientSchema = section(clientShape, check);
export type TlsClientConfig = z.output<typeof tlsClientSchema>;

/** TLS of a listener; use with `.nullish()`: absent is plaintext. `client_ca_file` demands client certificates. */
export const tlsServerSchema = z.strictObject(serverShape).superRefine((tls, issues) => {
  check(tls, issues);
  if (!isSet(tls.cert_file) && !isSet(tls.cert_pem) && !isSet(tls.key_file) && !isSet(tls.key_pem)) {
    issues.addIssue({
      code: 'custom',
      message: 'a TLS server needs cert_file and key_file (or cert_pem and key_pem)',
    });
  }
});
export type TlsServerConfig = z.output<typeof tlsServerSchema>;
