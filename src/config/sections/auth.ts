// SPDX-License-Identifier: Apache-2.0
import { z } from 'zod';

// A key that guards access must never be accepted without effect, so both are refused, not warned about.
const refuse = (message: string) =>
  z
    .unknown()
    .optional()
    .refine((value) => value === undefined || value === null, { error: message });

/** `auth`: no authenticator exists in this distribution, so any use is an error. */
export const authSchema = refuse('is not supported: this distribution has no authenticator extension');

/** `middlewares`: no middleware exists in this distribution, so any use is an error. */
export const middlewaresSchema = refuse('is not supported: this distribution has no middleware extension');
