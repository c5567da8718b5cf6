// SPDX-License-Identifier: Apache-2.0
import { hash } from 'node:crypto';
import { lowerSimple, upperSimple } from './letter-case.ts';
import { isLabelName, type Rule } from './rule.ts';

/** Label names and values. A label with an empty value is no label. */
export type LabelSet = ReadonlyMap<string, string>;

/** Either the labels as the rules leave them, or the index of the rule that dropped them. */
export type RelabelResult =
  | { readonly kept: true; readonly labels: LabelSet }
  | { readonly kept: false; readonly rule: number };

/**
 * Applies Prometheus relabel rules in order; the first that drops ends it. `labels` is not changed, and comes
 * back itself where no rule changes anything. Where labelmap maps two names to one, the name that sorts last
 * wins, as in Prometheus.
 */
export function relabel(labels: LabelSet, rules: readonly Rule[]): RelabelResult {
  const edited = new EditedLabels(labels);
  for (let index = 0; index < rules.length; index++) {
    const rule = rules[index];
    if (rule !== undefined && !apply(rule, edited)) return { kept: false, rule: index };
  }
  return { kept: true, labels: edited.labels };
}

/** Labels that are copied at the first change. */
class EditedLabels {
  labels: LabelSet;
  #copy: Map<string, string> | undefined;

  constructor(labels: LabelSet) {
    this.labels = labels;
    for (const value of labels.values()) {
      if (value !== '') continue;
      this.labels = this.#copy = new Map([...labels].filter(([, text]) => text !== ''));
      break;
    }
  }

  get(name: string): string {
    return this.labels.get(name) ?? '';
  }

  /** An empty value deletes. */
  set(name: string, value: string): void {
    if (this.get(name) === value) return;
    const copy = (this.#copy ??= copyOf(this.labels));
    this.labels = copy;
    if (value === '') copy.delete(name);
    else copy.set(name, value);
  }
}

/** Faster than `new Map(labels)`, which makes a pair for each entry. */
function copyOf(labels: LabelSet): Map<string, string> {
  const copy = new Map<string, string>();
  labels.forEach((value, name) => copy.set(name, value));
  return copy;
}

/** Returns false where the rule drops the set. */
function apply(rule: Rule, labels: EditedLabels): boolean {
  const value = sourceOf(rule, labels);
  switch (rule.action) {
    case 'drop':
      return !rule.regex.test(value);
    case 'keep':
      return rule.regex.test(value);
    case 'dropequal':
      return labels.get(rule.targetLabel) !== value;
    case 'keepequal':
      return labels.get(rule.targetLabel) === value;
    case 'replace':
      replace(rule, value, labels);
      return true;
    case 'lowercase':
      labels.set(rule.targetLabel, lowerSimple(value));
      return true;
    case 'uppercase':
      labels.set(rule.targetLabel, upperSimple(value));
      return true;
    case 'hashmod':
      labels.set(rule.targetLabel, hashmod(value, rule.modulus));
      return true;
    case 'labelmap':
      labelmap(rule, labels);
      return true;
    default:
      dropNames(rule, labels);
      return true;
  }
}

function sourceOf({ sourceLabels, separator }: Rule, labels: EditedLabels): string {
  const [first] = sourceLabels;
  if (first === undefined) return '';
  let value = labels.get(first);
  for (let i = 1; i < sourceLabels.length; i++) value += separator + labels.get(sourceLabels[i] ?? '');
  return value;
}

function replace({ regex, target, value: template }: Rule, value: string, labels: EditedLabels): void {
  const groups = regex.match(value);
  if (groups === undefined) return;
  // What is constant was checked with the rule.
  const name = target.constant ?? target.expand(groups);
  if (target.constant !== undefined || isLabelName(name)) labels.set(name, template.expand(groups));
}

function labelmap({ names }: Rule, labels: EditedLabels): void {
  const found: (readonly [name: string, target: string, value: string])[] = [];
  // forEach makes no pair for each entry, as iterating would.
  labels.labels.forEach((value, name) => {
    const target = names.of(name);
    if (target !== undefined) found.push([name, target, value]);
  });
  if (found.length > 1) found.sort(([a], [b]) => (a < b ? -1 : 1));
  for (const [, target, value] of found) if (target !== '') labels.set(target, value);
}

function dropNames({ names, action }: Rule, labels: EditedLabels): void {
  const drops = action === 'labeldrop';
  for (const name of [...labels.labels.keys()])
    if ((names.of(name) !== undefined) === drops) labels.set(name, '');
}

/** Up to here a remainder and a further byte are a safe integer. */
const MAX_NUMBER_MODULUS = 1n << 45n;

/** The last 8 bytes of the MD5 sum, big-endian, modulo `modulus`: Prometheus' sharding. */
function hashmod(value: string, modulus: bigint): string {
  // A string costs a quarter of what a Buffer does.
  const sum = hash('md5', value, 'binary');
  if (modulus > MAX_NUMBER_MODULUS)
    return (Buffer.from(sum, 'binary').readBigUInt64BE(8) % modulus).toString();
  const divisor = Number(modulus);
  let rest = 0;
  for (let i = 8; i < 16; i++) rest = (rest * 256 + sum.charCodeAt(i)) % divisor;
  return String(rest);
}
