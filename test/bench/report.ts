// SPDX-License-Identifier: Apache-2.0
import { cpus, loadavg, release, totalmem } from 'node:os';
import { type Rounds, short } from './rounds.ts';

/** A goal of the project: at least (or, for costs, at most) so much. */
export interface Goal {
  readonly floor: number;
  readonly aim: number;
  readonly atMost?: boolean;
}

/** What a median says about a goal. */
export function verdict(value: number, { floor, aim, atMost = false }: Goal): string {
  const reaches = (limit: number): boolean => (atMost ? value <= limit : value >= limit);
  if (Number.isNaN(value)) return '—';
  if (reaches(aim)) return 'aim';
  return reaches(floor) ? 'floor' : '**missed**';
}

/** One line of a table of ratios; a side that could not run has a reason in place of rounds. */
export interface RatioRow {
  readonly what: string;
  readonly ours: Rounds;
  readonly theirs: Rounds | string;
  readonly peer: string;
  readonly goal?: Goal | undefined;
}

/** Ratios of rates (more is better) as a markdown table; both rates are in `unit`. */
export function ratioTable(unit: string, rows: readonly RatioRow[]): string {
  return table(
    ['', `ours, ${unit}`, 'peer', `peer, ${unit}`, 'ratio', 'floor · aim', 'reached'],
    rows.map(({ what, ours, theirs, peer, goal }) => {
      const ratio = typeof theirs === 'string' ? undefined : ours.over(theirs);
      return [
        what,
        ours.toString(),
        peer,
        theirs.toString(),
        ratio?.toString() ?? '—',
        goal === undefined ? '' : `${goal.floor}× · ${goal.aim}×`,
        goal === undefined || ratio === undefined ? '' : verdict(ratio.median, goal),
      ];
    }),
  );
}

export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

/** The machine, in a line. */
export function machine(): string {
  const [first] = cpus();
  return `${first?.model.trim() ?? 'unknown CPU'}, ${cpus().length} CPUs, ${short(totalmem() / 2 ** 30)} GiB, Linux ${release()}, Node ${process.version}, load ${short(loadavg()[0])} at the start`;
}

export function print(text: string): void {
  process.stdout.write(`${text}\n`);
}
