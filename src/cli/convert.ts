// SPDX-License-Identifier: Apache-2.0
import { readFileSync, statSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ConfigError } from '../config/config-error.ts';
import { loadConfig } from '../config/load.ts';
import { ERAS } from '../migration/components/table.ts';
import { convert as convertText, type Converted } from '../migration/convert.ts';
import { formatFinding } from '../migration/findings.ts';
import { formatPlace } from '../migration/place.ts';
import { SyntaxIssues } from '../migration/syntax/token.ts';
import { gatesOf, type Invocation, type Io, lastValue, UsageError } from './command.ts';

const MAX_BYTES = 10 * 1024 * 1024;

/**
 * Converts a configuration of Grafana Alloy, Grafana Agent or `phlare.*` to one of this collector. What could
 * not be carried is told on stderr or in --report, and makes the exit code 1 unless --bypass-errors.
 */
export async function convert(invocation: Invocation): Promise<number> {
  const { io, positional: file } = invocation;
  const era = ERAS.find((name) => name === lastValue(invocation, 'from'));
  if (era === undefined) throw new UsageError(`convert needs --from (valid values: [${ERAS.join(' ')}])`);
  if (file === undefined) throw new UsageError('convert needs the name of a file, or - for stdin');
  const name = file === '-' ? 'stdin' : file;
  let converted: Converted;
  try {
    const options = { era, file: name, environment: process.env, readModule };
    converted = convertText(readText(file), options);
  } catch (error) {
    if (!(error instanceof SyntaxIssues)) throw error;
    for (const line of error.message.split('\n')) io.stderr(`Error: ${line}\n`);
    return 1;
  }
  return await report(invocation, name, converted);
}

async function report(invocation: Invocation, name: string, converted: Converted): Promise<number> {
  const { io } = invocation;
  const { yaml, yamlForCheck, findings } = converted;
  const checked = yamlForCheck === undefined ? undefined : await check(yamlForCheck, invocation, io);
  const told = [
    ...findings.map(formatFinding),
    ...(checked?.warnings ?? []).map((line) => placed(line, converted, 'note: ')),
  ];
  const lines = told.map((line) => `${line}\n`).join('');
  const reportFile = lastValue(invocation, 'report');
  if (reportFile !== undefined) await write(reportFile, lines);
  else io.stderr(lines);
  if (yaml === undefined || checked === undefined) {
    io.stderr(`Error: ${name}: nothing in it is about profiles, so there is nothing to write\n`);
    return 1;
  }
  const { faults } = checked;
  for (const fault of faults) io.stderr(`Error: the result would be refused: ${placed(fault, converted)}\n`);
  const lost = findings.filter((finding) => finding.kind === 'lost').length + faults.length;
  const isBypassed = invocation.flags.has('bypass-errors');
  const output = lastValue(invocation, 'output');
  if (faults.length === 0 || isBypassed) {
    if (output === undefined || output === '-') io.stdout(yaml);
    else await write(output, yaml);
  }
  if (lost === 0) return 0;
  const how = isBypassed ? '' : '; to accept that, and to exit with 0: --bypass-errors';
  io.stderr(`${lost} of ${name} could not be carried${how}\n`);
  return isBypassed ? 0 : 1;
}

interface Checked {
  /** Why our own loader would refuse the result. */
  readonly faults: readonly string[];
  /** What it takes but has a word about: options that do not act here. */
  readonly warnings: readonly string[];
}

async function check(yaml: string, invocation: Invocation, io: Io): Promise<Checked> {
  const options = { distribution: await io.loadDistribution(), gates: gatesOf(invocation) };
  try {
    const source = { location: `yaml:${yaml}`, label: 'result' };
    return { faults: [], warnings: (await loadConfig([source], options)).warnings };
  } catch (error) {
    if (error instanceof ConfigError) return { faults: error.message.split('\n'), warnings: error.warnings };
    throw error;
  }
}

/** A message about the result with the place in the file that it comes from, where that is known. */
function placed(message: string, { placeOf }: Converted, kind = ''): string {
  const [, where = '', rest = ''] = /^(result:\d+:\d+): (.*)$/s.exec(message) ?? [];
  const place = placeOf(rest.replace(/: .*/s, '').split('::'));
  if (place !== undefined) return `${formatPlace(place)}: ${kind}${rest}`;
  return where === '' ? `${kind}${message}` : `${kind}${where}: ${rest}`;
}

function readText(file: string): string {
  const bytes = file === '-' ? readFileSync(0) : readSmallFile(file);
  if (bytes.length > MAX_BYTES) throw new Error(`${file} is larger than ${MAX_BYTES} bytes`);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    throw new Error(`${file} is not valid UTF-8`, { cause: error });
  }
}

function readSmallFile(file: string): Buffer {
  const stats = statSync(file);
  const { size } = stats;
  // Alloy takes all files of a directory as one.
  if (stats.isDirectory())
    throw new Error(
      `${file} is a directory; convert its files as one: cat ${join(file, '*.alloy')} | otelcol-profiles convert --from KIND -`,
    );
  if (size > MAX_BYTES) throw new Error(`${file} is larger than ${MAX_BYTES} bytes`);
  return readFileSync(file);
}

function readModule(path: string): string | undefined {
  try {
    return readText(path);
  } catch {
    // The conversion tells that there is no such module.
    return undefined;
  }
}

async function write(file: string, text: string): Promise<void> {
  try {
    // What was in the other configuration as text may be a secret.
    await writeFile(file, text, { mode: 0o600 });
  } catch (error) {
    throw new Error(`cannot write ${file}: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  }
}
