// SPDX-License-Identifier: Apache-2.0
import type { FeatureGate } from '../component/feature-gates.ts';
import { didYouMean } from '../internal/suggest.ts';
import { gatesOf, type Invocation, UsageError } from './command.ts';

/** Prints a table of all gates, or what there is to know of one. */
export async function featuregate(invocation: Invocation): Promise<number> {
  const { io, positional: id } = invocation;
  const gates = gatesOf(invocation).list();
  if (id === undefined) {
    io.stdout(table([['ID', 'Enabled', 'Stage', 'Description'], ...gates.map(row)]));
    return 0;
  }
  const gate = gates.find((g) => g.id === id);
  if (gate === undefined) {
    const ids = gates.map((g) => g.id);
    throw new UsageError(
      `no such feature gate "${id}" (valid values: [${ids.join(' ')}])${didYouMean(id, ids)}`,
    );
  }
  io.stdout(
    `Feature: ${gate.id}\nEnabled: ${gate.enabled}\nStage: ${gate.stage}\nDescription: ${gate.description}\n`,
  );
  return 0;
}

const row = (gate: FeatureGate): readonly string[] => [
  gate.id,
  String(gate.enabled),
  gate.stage,
  gate.description,
];

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
