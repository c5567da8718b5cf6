// SPDX-License-Identifier: Apache-2.0
import type * as z from 'zod';
import { section } from '../../config/sections/section.ts';

export const configSchema = section({});
export type Config = z.output<typeof configSchema>;
