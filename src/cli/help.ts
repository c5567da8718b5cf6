// SPDX-License-Identifier: Apache-2.0
import { flagsOf } from './arguments.ts';
import { BUILD } from './build-info.ts';
import type { Command, Flag } from './command.ts';

/** Help for one command; that of the first command of the table also lists the others. */
export function helpText(command: Command, commands: readonly Command[]): string {
  const isDefault = command === commands[0];
  const name = isDefault ? '[command]' : command.name;
  const positional = command.positional === undefined ? '' : ` [${command.positional}]`;
  const others = isDefault
    ? section(
        'Commands',
        commands.map((c) => [c.name, c.summary]),
      )
    : '';
  return [
    `${isDefault ? BUILD.description : command.summary}\n`,
    `Usage:\n  ${BUILD.command} ${name}${positional} [flags]\n`,
    others,
    section(
      'Flags',
      flagsOf(command).map((flag) => [flagText(flag), flag.help]),
    ),
    `Examples:\n${command.examples.map((example) => `  ${example}\n`).join('')}`,
  ]
    .filter((part) => part !== '')
    .join('\n');
}

function flagText({ name, short, value }: Flag): string {
  return `${short === undefined ? '    ' : `-${short}, `}--${name}${value === undefined ? '' : ` ${value}`}`;
}

function section(title: string, rows: readonly (readonly [string, string])[]): string {
  const width = Math.max(...rows.map(([left]) => left.length));
  return `${title}:\n${rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}\n`).join('')}`;
}
