// SPDX-License-Identifier: Apache-2.0
import { ConfigError, formatIssue } from '../config/config-error.ts';
import { parseArguments } from './arguments.ts';
import { BUILD } from './build-info.ts';
import { type Io, UsageError } from './command.ts';
import { COMMANDS } from './commands.ts';
import { helpText } from './help.ts';

/** Runs what a command line asks for and resolves to the exit code; errors are written, never thrown. */
export async function runCli(argv: readonly string[], io: Io): Promise<number> {
  try {
    const { command, flags, positional } = parseArguments(
      argv[0] === 'help' ? [...argv.slice(1), '--help'] : argv,
      COMMANDS,
    );
    if (flags.has('help')) {
      io.stdout(helpText(command, COMMANDS));
      return 0;
    }
    if (flags.has('version')) {
      io.stdout(`${BUILD.command} version ${BUILD.version}\n`);
      return 0;
    }
    return await command.run({ io, flags, positional });
  } catch (error) {
    const warnings = error instanceof ConfigError ? error.warnings : [];
    for (const line of warnings) io.stderr(`warning: ${line}\n`);
    for (const line of errorLines(error)) io.stderr(`Error: ${line}\n`);
    if (error instanceof UsageError) io.stderr(`Run "${BUILD.command} --help" for usage.\n`);
    return 1;
  }
}

function errorLines(error: unknown): readonly string[] {
  if (error instanceof ConfigError) return error.issues.map(formatIssue);
  return [error instanceof Error ? error.message : String(error)];
}
