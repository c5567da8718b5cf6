// SPDX-License-Identifier: Apache-2.0
import * as z from 'zod';
import { durationSchema } from '../../config/sections/duration.ts';
import { httpUrlSchema } from '../../config/sections/endpoint.ts';
import { secretSchema } from '../../config/sections/secret.ts';
import { section, stringListSchema } from '../../config/sections/section.ts';
import { tlsClientSchema } from '../../config/sections/tls.ts';

const parameterSchema = z.union([secretSchema.transform((value) => [value]), z.array(secretSchema)]);

/** Configuration of the `oauth2client` extension: upstream's keys and defaults, for the client credentials grant. */
export const configSchema = section(
  {
    grant_type: z.literal('client_credentials').default('client_credentials'),
    client_id: z.string().min(1).optional(),
    client_id_file: z.string().min(1).optional(),
    client_secret: secretSchema.optional(),
    client_secret_file: z.string().min(1).optional(),
    token_url: httpUrlSchema,
    scopes: stringListSchema.default([]),
    endpoint_params: z.record(z.string().min(1), parameterSchema).default({}),
    /** 0: none. */
    timeout: durationSchema().default(0),
    tls: tlsClientSchema,
    expiry_buffer: durationSchema().default(300_000),
  },
  (config, issues) => {
    for (const key of ['client_id', 'client_secret'] as const) {
      const [text, file] = [config[key], config[`${key}_file`]];
      if ((text === undefined) === (file === undefined))
        issues.addIssue({ code: 'custom', message: `give either ${key} or ${key}_file` });
    }
  },
);
export type Config = z.output<typeof configSchema>;
