// SPDX-License-Identifier: Apache-2.0
import { createHash } from 'node:crypto';
import { lowerSimple, upperSimple } from './letter-case.ts';
import { isLabelName, type Rule } from './rule.ts';

/** Label names and values. A label with an empty value is no label. */
export type LabelSet = ReadonlyMap<string, string>;

/** Either the labels as the rules leave them, or the index of the rule that dropped them. */
export type RelabelResult =
  | { readonly kept: true; readonly labels: LabelSet }
  | { readonly kept: false; readonly rule: number };

/**
 * Applies Prometheus relabel rules in order; the first that drops ends it. `labels` is not changed.
 * Where labelmap maps two names to one, the name that sorts last wins, as in Prometheus.
 */
export function relabel(labels: LabelSet, rules: readonly Rule[]): RelabelResult {
  const sorted = [...labels].filter(([, value]) => value !== '').toSorted(([a], [b]) => (a < b ? -1 : 1));
  const out = new Map(sorted);
  for (const [index, rule] of rules.entries()) {
    if (!apply(rule, out)) return { kept: false, rule: index };
  }
  return { kept: true, labels: out };
}

/** Returns false where the rule drops the set. */
function apply(rule: Rule, labels: Map<string, string>): boolean {
  const value = rule.sourceLabels.map((name) => labels.get(name) ?? '').join(rule.separator);
  switch (rule.action) {
    case 'drop':
      return !rule.regex.test(value);
    case 'keep':
      return rule.regex.test(value);
    case 'dropequal':
      return (labels.get(rule.targetLabel) ?? '') !== value;
    case 'keepequal':
      return (labels.get(rule.targetLabel) ?? '') === value;
    case 'replace':
      replace(rule, value, labels);
      return true;
    case 'lowercase':
      setLabel(labels, rule.targetLabel, lowerSimple(value));
      return true;
    case 'uppercase':
      setLabel(labels, rule.targetLabel, upperSimple(value));
      return true;
    case 'hashmod':
      setLabel(labels, rule.targetLabel, hashmod(value, rule.modulus));
      return true;
    case 'labelmap':
      labelmap(rule, labels);
      return true;
    default:
      dropNames(labels, (name) => rule.regex.test(name) === (rule.action === 'labeldrop'));
      return true;
  }
}

function replace(
  { regex, targetLabel, replacement }: Rule,
  value: string,
  labels: Map<string, string>,
): void {
  const groups = regex.match(value);
  if (groups === undefined) return;
  const target = regex.expand(targetLabel, groups);
  if (isLabelName(target)) setLabel(labels, target, regex.expand(replacement, groups));
}

function labelmap({ regex, replacement }: Rule, labels: Map<string, string>): void {
  for (const [name, value] of Array.from(labels)) {
    const groups = regex.match(name);
    if (groups !== undefined) setLabel(labels, regex.expand(replacement, groups), value);
  }
}

function dropNames(labels: Map<string, string>, drops: (name: string) => boolean): void {
  for (const name of Array.from(labels.keys())) if (drops(name)) labels.delete(name);
}

function setLabel(labels: Map<string, string>, name: string, value: string): void {
  if (value === '' || name === '') labels.delete(name);
  else labels.set(name, value);
}

/** The last 8 bytes of the MD5 sum, big-endian, modulo `modulus`: Prometheus' sharding. */
function hashmod(value: string, modulus: bigint): string {
  return (createHash('md5').update(value).digest().readBigUInt64BE(8) % modulus).toString();
}
