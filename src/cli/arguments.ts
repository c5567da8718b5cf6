// SPDX-License-Identifier: Apache-2.0
import { parseArgs } from 'node:util';
import { didYouMean } from '../internal/suggest.ts';
import { type Command, type Flag, UsageError } from './command.ts';

/** A command line, read. */
export interface Arguments {
  readonly command: Command;
  readonly flags: ReadonlyMap<string, readonly string[]>;
  readonly positional: string | undefined;
}

const HELP: Flag = { name: 'help', short: 'h', help: 'print this help' };

/** A command's flags and the one every command has. */
export const flagsOf = (command: Command): readonly Flag[] => [...command.flags, HELP];

/**
 * Reads a command line as Go programs do: `--name value`, `--name=value`, and the same with one dash;
 * flags may stand before the command. Throws UsageError.
 */
export function parseArguments(argv: readonly string[], commands: readonly Command[]): Arguments {
  const tokens = normalize(argv, commands.flatMap(flagsOf));
  const [first] = commands;
  if (first === undefined) throw new TypeError('no commands');
  const name = tokens.find((token) => !token.startsWith('-'));
  const command =
    name === undefined ? first : commands.find((c) => c.name === name || c.aliases?.includes(name) === true);
  if (command === undefined) {
    const names = commands.map((c) => c.name);
    throw new UsageError(
      `unknown command "${name}" (valid values: [${names.join(' ')}])${didYouMean(name ?? '', names)}`,
    );
  }
  const flags = flagsOf(command);
  const { values, positionals } = parseArgs({
    args: checkNames(tokens, flags),
    options: Object.fromEntries(
      flags.map((flag) => [flag.name, { type: 'string', multiple: true }] as const),
    ),
    allowPositionals: true,
  });
  const [, positional, surplus] = name === undefined ? [undefined, ...positionals] : positionals;
  const unwanted = command.positional === undefined ? positional : surplus;
  if (unwanted !== undefined) throw new UsageError(`unexpected argument "${unwanted}" for "${command.name}"`);
  checkChoices(values, flags);
  return {
    command,
    flags: new Map(
      Object.entries(values)
        .map(([key, value]) => [key, value ?? []] as const)
        .filter(([key, value]) => !isTurnedOff(key, value, flags)),
    ),
    positional,
  };
}

/** What Go takes for the value of a switch. */
const ON: readonly string[] = ['1', 't', 'T', 'true', 'TRUE', 'True'];
const OFF: readonly string[] = ['0', 'f', 'F', 'false', 'FALSE', 'False'];

/** Whether a flag is a switch of which the last word is that it is off. */
function isTurnedOff(name: string, values: readonly string[], flags: readonly Flag[]): boolean {
  const flag = flags.find((other) => other.name === name);
  const isSwitch = flag !== undefined && flag.value === undefined && flag.choices === undefined;
  return isSwitch && OFF.includes(values.at(-1) ?? '');
}

/** Every flag as one token `--name=value`; a switch gets the value "true". */
function normalize(argv: readonly string[], flags: readonly Flag[]): string[] {
  const tokens: string[] = [];
  for (let i = 0; i < argv.length; i++) {
    const token = argv[i] ?? '';
    const match = /^--?([A-Za-z][A-Za-z-]*)(=.*)?$/s.exec(token);
    if (match === null) {
      // A dash alone is the standard input.
      if (token.startsWith('-') && token !== '-') throw new UsageError(`unknown flag: ${token}`);
      tokens.push(token);
      continue;
    }
    const [, given = '', value] = match;
    const flag = flags.find((f) => f.name === given || (f.short === given && !token.startsWith('--')));
    if (flag === undefined) throw unknownFlag(given, flags);
    if (value !== undefined) tokens.push(`--${flag.name}${value}`);
    else if (flag.value === undefined) tokens.push(`--${flag.name}=true`);
    else {
      const next = argv[++i];
      if (next === undefined) throw new UsageError(`flag needs an argument: --${flag.name} ${flag.value}`);
      tokens.push(`--${flag.name}=${next}`);
    }
  }
  return tokens;
}

function checkNames(tokens: string[], flags: readonly Flag[]): string[] {
  for (const token of tokens) {
    const name = /^--([^=]*)=/.exec(token)?.[1];
    if (name !== undefined && !flags.some((flag) => flag.name === name)) throw unknownFlag(name, flags);
  }
  return tokens;
}

function unknownFlag(name: string, flags: readonly Flag[]): UsageError {
  const hint = didYouMean(
    `--${name}`,
    flags.map((flag) => `--${flag.name}`),
  );
  return new UsageError(`unknown flag: --${name}${hint}`);
}

function checkChoices(
  values: Readonly<Record<string, readonly string[] | undefined>>,
  flags: readonly Flag[],
): void {
  for (const { name, value: takesValue, choices } of flags) {
    const valid = choices ?? (takesValue === undefined ? [...ON, ...OFF] : undefined);
    const wrong = valid && values[name]?.find((value) => !valid.includes(value));
    if (wrong === undefined) continue;
    const shown = choices ?? ['true', 'false'];
    throw new UsageError(`invalid value "${wrong}" for --${name} (valid values: [${shown.join(' ')}])`);
  }
}
