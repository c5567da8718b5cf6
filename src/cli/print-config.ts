// SPDX-License-Identifier: Apache-2.0
import { stringify } from 'yaml';
import { loadConfig } from '../config/load.ts';
import { gatesOf, type Invocation, lastValue, sourcesOf } from './command.ts';

/** Prints the checked configuration with all defaults; what it prints is a configuration again. */
export async function printConfig(invocation: Invocation): Promise<number> {
  const { io } = invocation;
  const config = await loadConfig(sourcesOf(invocation), {
    distribution: await io.loadDistribution(),
    gates: gatesOf(invocation),
  });
  for (const warning of config.warnings) io.stderr(`warning: ${warning}\n`);
  // A "$" must be written "$$" to be read as itself again.
  const plain = escapeDollars(config.effective({ redact: lastValue(invocation, 'mode') !== 'unredacted' }));
  const asJson = lastValue(invocation, 'format') === 'json';
  io.stdout(
    asJson
      ? `${JSON.stringify(plain, (_, value) => (typeof value === 'bigint' ? Number(value) : value), 2)}\n`
      : stringify(plain, { lineWidth: 0 }),
  );
  return 0;
}

function escapeDollars(value: unknown): unknown {
  if (typeof value === 'string') return value.replaceAll('$', '$$$$');
  if (Array.isArray(value)) return value.map(escapeDollars);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, escapeDollars(inner)]));
}
