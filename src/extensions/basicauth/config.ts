// SPDX-License-Identifier: Apache-2.0
import * as z from 'zod';
import { secretSchema } from '../../config/sections/secret.ts';
import { section } from '../../config/sections/section.ts';
import { parseHtpasswd } from './htpasswd.ts';

const clientSchema = section(
  {
    username: z
      .string()
      .regex(/^[^:]*$/, { error: 'must not hold ":", which ends a user name' })
      .optional(),
    username_file: z.string().min(1).optional(),
    password: secretSchema.optional(),
    password_file: z.string().min(1).optional(),
  },
  (client, issues) => {
    for (const key of ['username', 'password'] as const) {
      const [text, file] = [client[key], client[`${key}_file`]];
      if ((text === undefined) === (file === undefined))
        issues.addIssue({ code: 'custom', message: `give either ${key} or ${key}_file` });
    }
  },
);

const htpasswdSchema = section(
  { file: z.string().min(1).optional(), inline: secretSchema.optional() },
  ({ file, inline }, issues) => {
    if (file === undefined && inline === undefined)
      issues.addIssue({ code: 'custom', message: 'give file, inline, or both' });
    try {
      parseHtpasswd(inline?.reveal() ?? '');
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      issues.addIssue({ code: 'custom', path: ['inline'], message });
    }
  },
);

/** Configuration of the `basicauth` extension: upstream's keys. */
export const configSchema = section(
  { htpasswd: htpasswdSchema.optional(), client_auth: clientSchema.optional() },
  ({ htpasswd, client_auth }, issues) => {
    if ((htpasswd === undefined) === (client_auth === undefined))
      issues.addIssue({
        code: 'custom',
        message: 'give either htpasswd, to guard receivers, or client_auth, for exporters',
      });
  },
);
export type Config = z.output<typeof configSchema>;
export type ClientConfig = z.output<typeof clientSchema>;
export type HtpasswdConfig = z.output<typeof htpasswdSchema>;
