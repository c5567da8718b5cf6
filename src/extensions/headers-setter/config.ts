// SPDX-License-Identifier: Apache-2.0
import * as z from 'zod';
import { headerNameSchema, secretSchema } from '../../config/sections/secret.ts';
import { section } from '../../config/sections/section.ts';

/** These belong to the protocols that carry the requests. */
const RESERVED =
  /^(?:grpc-.*|connection|content-encoding|content-length|content-type|expect|host|keep-alive|te|transfer-encoding|upgrade)$/i;

const unsupported = (message: string) =>
  z
    .unknown()
    .optional()
    .refine((value) => value === undefined || value === null, { error: message });

const NO_METADATA =
  'is not supported: what a receiver is told beside the profiles does not reach exporters (write a value)';

const headerSchema = z
  .strictObject({
    key: headerNameSchema.refine((name) => !RESERVED.test(name), { error: 'belongs to the protocol' }),
    action: z.enum(['insert', 'update', 'upsert', 'delete']).default('upsert'),
    value: secretSchema.optional(),
    from_context: unsupported(NO_METADATA),
    from_attribute: unsupported(NO_METADATA),
    default_value: unsupported(
      'is for from_context and from_attribute, which are not supported (write a value)',
    ),
  })
  .superRefine(({ action, value, from_context, from_attribute }, issues) => {
    const isSourceless = value === undefined && from_context === undefined && from_attribute === undefined;
    if (action === 'delete' ? value !== undefined : isSourceless) {
      const message = action === 'delete' ? 'has no meaning with action "delete"' : 'is required';
      issues.addIssue({ code: 'custom', path: ['value'], message });
    }
    if (value !== undefined && !/^[\x20-\x7e\t]*$/.test(value.reveal()))
      issues.addIssue({ code: 'custom', path: ['value'], message: 'cannot be sent in a header' });
  });

/** Configuration of the `headers_setter` extension: upstream's keys. */
export const configSchema = section({ headers: z.array(headerSchema).min(1) });
export type Config = z.output<typeof configSchema>;
