// SPDX-License-Identifier: Apache-2.0
import * as z from 'zod';
import { extensionReference, section, stringListSchema } from './section.ts';

/** `auth` of a client: the extension that gives its requests their credentials. */
export const clientAuthSchema = section({
  authenticator: extensionReference('client authenticator'),
}).optional();

/** `auth` of a gRPC server: the extension that decides who may send. */
export const serverAuthSchema = section({
  authenticator: extensionReference('server authenticator'),
}).optional();

/** `auth` of an HTTP server: parameters of the query that are listed count as headers for the authenticator. */
export const httpServerAuthSchema = section({
  authenticator: extensionReference('server authenticator'),
  request_params: stringListSchema.default([]),
}).optional();

/** `middlewares` of a server: ids of extensions that are asked before a request is read. */
export const serverMiddlewaresSchema = z
  .array(z.strictObject({ id: z.string().min(1) }))
  .nullish()
  .transform((middlewares) => middlewares ?? []);

/** `middlewares` of a client: none exists in this distribution; a guard must never be accepted without effect. */
export const middlewaresSchema = z
  .unknown()
  .optional()
  .refine((value) => value === undefined || value === null, {
    error:
      'is not supported on a client: the one middleware of this distribution, memory_limiter, guards servers; for credentials use "auth"',
  });
