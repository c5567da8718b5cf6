// SPDX-License-Identifier: Apache-2.0
import { Document } from 'yaml';
import { ConfigError } from '../config/config-error.ts';
import { loadConfig } from '../config/load.ts';
import { createProviders } from '../config/providers.ts';
import { resolveSources } from '../config/resolve.ts';
import { quoteTexts } from '../config/scalar.ts';
import { toPlain } from '../config/tree.ts';
import { gatesOf, type Invocation, lastValue, sourcesOf, UsageError } from './command.ts';

/** Prints the checked configuration with all defaults; what it prints is a configuration again. */
export async function printConfig(invocation: Invocation): Promise<number> {
  const { io } = invocation;
  const plain = escapeDollars(await readForPrint(invocation));
  const asJson = lastValue(invocation, 'format') === 'json';
  io.stdout(
    asJson
      ? `${JSON.stringify(plain, (_, value) => (typeof value === 'bigint' ? Number(value) : value), 2)}\n`
      : yamlOf(plain),
  );
  return 0;
}

function yamlOf(plain: unknown): string {
  const document = new Document(plain);
  quoteTexts(document);
  return document.toString({ lineWidth: 0 });
}

async function readForPrint(invocation: Invocation): Promise<unknown> {
  const { io } = invocation;
  const isRedacted = lastValue(invocation, 'mode') !== 'unredacted';
  const sources = sourcesOf(invocation);
  try {
    const gates = gatesOf(invocation);
    const config = await loadConfig(sources, { distribution: await io.loadDistribution(), gates });
    for (const warning of config.warnings) io.stderr(`warning: ${warning}\n`);
    return config.effective({ redact: isRedacted });
  } catch (error) {
    if (!(error instanceof ConfigError) || lastValue(invocation, 'validate') !== 'false') throw error;
    // Where a key is not known, nobody knows whether it holds a secret.
    if (isRedacted)
      throw new UsageError(
        `--validate=false: what is at fault cannot be redacted; to print it with its secrets add --mode=unredacted\n${error.message}`,
      );
    io.stderr(`warning: ${error.message}\n`);
    const providers = createProviders(process.env);
    return toPlain(await resolveSources(sources, providers, []));
  }
}

/** A "$" must be written "$$" to be read as itself again. */
function escapeDollars(value: unknown): unknown {
  if (typeof value === 'string') return value.replaceAll('$', '$$$$');
  if (Array.isArray(value)) return value.map(escapeDollars);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, escapeDollars(inner)]));
}
