// SPDX-License-Identifier: Apache-2.0
import { z } from 'zod';

/** How much of a C++ or Rust name is shown; see native/addon/symbols/symbols.h. */
export const demangleSchema = z.enum(['none', 'simplified', 'templates', 'full']);
