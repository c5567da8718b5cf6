// SPDX-License-Identifier: Apache-2.0
import { inspect } from 'node:util';
import * as z from 'zod';

/** What is printed in the place of a secret. */
export const REDACTED = '[REDACTED]';

/** A text that must not appear in logs, errors or dumps: everything but `reveal()` prints a placeholder. */
export class Secret {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
  }

  reveal(): string {
    return this.#value;
  }

  toString(): string {
    return REDACTED;
  }

  toJSON(): string {
    return REDACTED;
  }

  [inspect.custom](): string {
    return REDACTED;
  }
}

/** A text that becomes a `Secret`. */
export const secretSchema = z.string().transform((value) => new Secret(value));

// Refining or describing a schema copies it, but the copy keeps the same transform.
const transform = secretSchema._zod.def.out;

/** True for what `secretSchema` is made of, so that a printed configuration can hide its input. */
export function isSecretTransform(schema: z.core.$ZodType): boolean {
  return schema === transform;
}

/** A field name of RFC 9110 §5.1. */
const HEADER_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

/** The name of a header. */
export const headerNameSchema = z.string().regex(HEADER_NAME, { error: 'is no valid header name' });

/**
 * Headers sent with each request: a map, or upstream's list of `{name, value}`. Out comes one record by
 * name; of a name that is given twice the last value counts.
 */
export const headersSchema = z
  .union([
    z.record(headerNameSchema, secretSchema),
    z.array(z.strictObject({ name: headerNameSchema, value: secretSchema })),
  ])
  .transform(
    (headers): Readonly<Record<string, Secret>> =>
      Array.isArray(headers) ? Object.fromEntries(headers.map(({ name, value }) => [name, value])) : headers,
  );
