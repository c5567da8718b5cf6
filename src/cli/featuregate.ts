// SPDX-License-Identifier: Apache-2.0
import type { FeatureGate } from '../component/feature-gates.ts';
import { didYouMean } from '../internal/suggest.ts';
import { gatesOf, type Invocation, UsageError } from './command.ts';

/** Prints a table of all gates, or what there is to know of one. */
export async function featuregate(invocation: Invocation): Promise<number> {
  const { io, positional: id } = invocation;
  const gates = gatesOf(invocation).list();
  if (id === undefined) {
    io.stdout(table([['ID', 'Enabled', 'Stage', 'From', 'To', 'Description'], ...gates.map(row)]));
    return 0;
  }
  const gate = gates.find((g) => g.id === id);
  if (gate === undefined) {
    const ids = gates.map((g) => g.id);
    throw new UsageError(
      `no such feature gate "${id}" (valid values: [${ids.join(' ')}])${didYouMean(id, ids)}`,
    );
  }
  const { enabled, description, reference, since, until } = gate;
  const lines: readonly (readonly [string, string | undefined])[] = [
    ['Feature', gate.id],
    ['Enabled', String(enabled)],
    ['Stage', stageOf(gate)],
    ['Description', description],
    ['Reference URL', reference],
    ['From version', since],
    ['To version', until],
  ];
  io.stdout(lines.map(([name, value]) => (value === undefined ? '' : `${name}: ${value}\n`)).join(''));
  return 0;
}

const row = (gate: FeatureGate): readonly string[] => [
  gate.id,
  String(gate.enabled),
  stageOf(gate),
  gate.since ?? '',
  gate.until ?? '',
  gate.description,
];

/** With a capital, as the Collector writes it. */
const stageOf = ({ stage }: FeatureGate): string => stage.charAt(0).toUpperCase() + stage.slice(1);

function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((cells) => cells[column]?.length ?? 0)),
  );
  return rows
    .map(
      (cells) =>
        `${cells
          .map((cell, i) => cell.padEnd(widths[i] ?? 0))
          .join('  ')
          .trimEnd()}\n`,
    )
    .join('');
}
