// SPDX-License-Identifier: Apache-2.0
import * as z from 'zod';
import { headerNameSchema, secretSchema } from '../../config/sections/secret.ts';
import { section } from '../../config/sections/section.ts';
import { isHeaderText } from './tokens.ts';

/** Configuration of the `bearertokenauth` extension: upstream's keys and defaults. */
export const configSchema = section(
  {
    header: headerNameSchema.default('Authorization'),
    scheme: z
      .string()
      .regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]*$/, { error: 'is no valid authentication scheme' })
      .default('Bearer'),
    token: secretSchema.optional(),
    tokens: z.array(secretSchema).min(1).optional(),
    filename: z.string().min(1).optional(),
  },
  ({ token, tokens, filename }, issues) => {
    const fail = (message: string, path: string[] = []): void => {
      issues.addIssue({ code: 'custom', path, message });
    };
    if (token === undefined && tokens === undefined && filename === undefined)
      fail('a token is required: give one of token, tokens or filename');
    if (token !== undefined && tokens !== undefined) fail('give only one of token and tokens');
    if (token !== undefined && !isHeaderText(token.reveal()))
      fail('is empty or cannot be sent in a header', ['token']);
    for (const [index, one] of (tokens ?? []).entries()) {
      if (!isHeaderText(one.reveal()))
        fail('is empty or cannot be sent in a header', ['tokens', String(index)]);
    }
  },
);
export type Config = z.output<typeof configSchema>;
