// SPDX-License-Identifier: Apache-2.0
import * as z from 'zod';

/** How much of a C++ or Rust name is shown; see native/addon/symbols/symbols.h. */
export const demangleSchema = z.enum(['none', 'simplified', 'templates', 'full']);
