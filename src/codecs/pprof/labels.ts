// SPDX-License-Identifier: Apache-2.0
import { type AnyValue, stringValue } from '../../pdata/any-value.ts';
import { Cost } from './budget.ts';
import type { TableContext } from './decode-tables.ts';

/**
 * Keys of an attribute map are unique, labels of a sample need not be: those of one key become one
 * attribute whose value is the list of theirs. Where their units differ, the unit stands beside each
 * number in a map of `value` and `unit`. Returns attribute rows.
 */
export function repeatedLabels(context: TableContext, rows: Int32Array): number[] {
  const { r, attributes, budget } = context;
  const byKey = new Map<number, number[]>();
  budget.charge(r, rows.length * Cost.listItem);
  for (const row of rows) {
    const key = attributes.keyOf(row);
    const others = byKey.get(key);
    if (others !== undefined) others.push(row);
    else {
      budget.charge(r, Cost.list);
      byKey.set(key, [row]);
    }
  }
  const joined = [...byKey].map(([key, list]) => joinedRow(context, key, list));
  budget.refund(rows.length * Cost.listItem + byKey.size * Cost.list);
  return joined;
}

function joinedRow(context: TableContext, key: number, list: readonly number[]): number {
  const { r, attributes } = context;
  const [first = 0] = list;
  if (list.length === 1) return first;
  const unit = attributes.unitOf(first);
  const isOneUnit = list.every((row) => attributes.unitOf(row) === unit);
  const value: AnyValue = {
    kind: 'array',
    value: list.map((row) => (isOneUnit ? attributes.valueOf(r, row) : withUnit(context, row))),
  };
  return attributes.of(r, key, value, isOneUnit ? unit : 0);
}

function withUnit({ r, strings, attributes, budget }: TableContext, row: number): AnyValue {
  const unit = strings.textWithin(r, attributes.unitOf(row), budget);
  return {
    kind: 'map',
    value: [
      { key: 'value', value: attributes.valueOf(r, row) },
      { key: 'unit', value: stringValue(unit) },
    ],
  };
}

/** One label out of an attribute: a text or a number, and its unit. */
export interface LabelPart {
  readonly value: AnyValue;
  /** Text of the unit, or undefined for that of the attribute. */
  readonly unit?: string;
}

/** The labels that `repeatedLabels` made a list of, or undefined where the value came otherwise. */
export function partsOf(value: AnyValue): readonly LabelPart[] | undefined {
  if (value.kind !== 'array' || value.value.length === 0) return undefined;
  const parts: LabelPart[] = [];
  for (const item of value.value) {
    const part = partOf(item);
    if (part === undefined) return undefined;
    parts.push(part);
  }
  return parts;
}

function partOf(item: AnyValue): LabelPart | undefined {
  if (item.kind === 'string' || item.kind === 'int') return { value: item };
  if (item.kind !== 'map' || item.value.length !== 2) return undefined;
  const [value, unit] = item.value;
  if (value?.key !== 'value' || unit?.key !== 'unit' || unit.value.kind !== 'string') return undefined;
  if (value.value.kind !== 'string' && value.value.kind !== 'int') return undefined;
  return { value: value.value, unit: unit.value.value };
}
