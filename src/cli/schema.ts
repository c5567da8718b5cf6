// SPDX-License-Identifier: Apache-2.0
import { loadAllFactories } from '../component/factory.ts';
import { configJsonSchema } from '../config/json-schema.ts';
import type { Invocation } from './command.ts';

/** Prints the JSON Schema of the whole configuration, for editors. */
export async function schema({ io }: Invocation): Promise<number> {
  io.stdout(
    `${JSON.stringify(configJsonSchema(await loadAllFactories(await io.loadDistribution())), null, 2)}\n`,
  );
  return 0;
}
