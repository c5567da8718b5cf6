// SPDX-License-Identifier: Apache-2.0
import type { Template } from '../internal/re2.ts';
import { RelabelRegex, Renames } from './regex.ts';

const RELABEL_ACTIONS = [
  'replace',
  'keep',
  'drop',
  'keepequal',
  'dropequal',
  'hashmod',
  'labelmap',
  'labeldrop',
  'labelkeep',
  'lowercase',
  'uppercase',
] as const;

type RelabelAction = (typeof RELABEL_ACTIONS)[number];

/** A rule as written: Prometheus' relabel_config. What is absent has the default below. */
export interface RuleOptions {
  readonly source_labels?: readonly string[] | undefined;
  readonly separator?: string | undefined;
  readonly regex?: string | undefined;
  readonly modulus?: bigint | undefined;
  readonly target_label?: string | undefined;
  readonly replacement?: string | undefined;
  readonly action?: string | undefined;
}

/** A checked rule. */
export interface Rule {
  readonly action: RelabelAction;
  readonly sourceLabels: readonly string[];
  readonly separator: string;
  readonly regex: RelabelRegex;
  readonly modulus: bigint;
  readonly targetLabel: string;
  readonly replacement: string;
  /** `targetLabel` and `replacement` with the groups that they refer to. */
  readonly target: Template;
  readonly value: Template;
  /** Label names by `regex` and `value`. */
  readonly names: Renames;
}

const DEFAULT_SEPARATOR = ';';
const DEFAULT_REGEX = '(.*)';
const DEFAULT_REPLACEMENT = '$1';

const NEEDS_TARGET: ReadonlySet<RelabelAction> = new Set([
  'replace',
  'hashmod',
  'lowercase',
  'uppercase',
  'keepequal',
  'dropequal',
]);
const NO_REPLACEMENT: ReadonlySet<RelabelAction> = new Set([
  'lowercase',
  'uppercase',
  'keepequal',
  'dropequal',
]);

/**
 * Compiles a rule. Throws Error in Prometheus' words where it makes no sense. Label names are those of
 * Prometheus 3: any text that is not empty, so attribute names with dots are labels as they are.
 */
export function compileRule(options: RuleOptions): Rule {
  const action = parseAction(options.action ?? 'replace');
  const regex = new RelabelRegex(options.regex ?? DEFAULT_REGEX);
  const targetLabel = options.target_label ?? '';
  const replacement = options.replacement ?? DEFAULT_REPLACEMENT;
  const value = regex.template(replacement);
  const rule: Rule = {
    action,
    sourceLabels: options.source_labels ?? [],
    separator: options.separator ?? DEFAULT_SEPARATOR,
    regex,
    modulus: options.modulus ?? 0n,
    targetLabel,
    replacement,
    target: regex.template(targetLabel),
    value,
    names: new Renames(regex, value),
  };
  checkTarget(rule);
  checkUnusedFields(rule, options);
  return rule;
}

/** Throws Error where `text` is no action. */
export function parseAction(text: string): RelabelAction {
  if (text === '') throw new Error('relabel action cannot be empty');
  const action = RELABEL_ACTIONS.find((a) => a === text.toLowerCase());
  if (action === undefined) {
    throw new Error(`unknown relabel action "${text}" (valid values: [${RELABEL_ACTIONS.join(' ')}])`);
  }
  return action;
}

function checkTarget({ action, modulus, targetLabel, replacement }: Rule): void {
  if (action === 'hashmod' && modulus === 0n) {
    throw new Error('relabel configuration for hashmod requires non-zero modulus');
  }
  if (NEEDS_TARGET.has(action) && targetLabel === '') {
    throw new Error(`relabel configuration for ${action} action requires 'target_label' value`);
  }
  if (NEEDS_TARGET.has(action) && !isLabelName(targetLabel)) {
    throw new Error(`"${targetLabel}" is invalid 'target_label' for ${action} action`);
  }
  if (NO_REPLACEMENT.has(action) && replacement !== DEFAULT_REPLACEMENT) {
    throw new Error(`'replacement' can not be set for ${action} action`);
  }
  if (action === 'labelmap' && !isLabelName(replacement)) {
    throw new Error(`"${replacement}" is invalid 'replacement' for labelmap action`);
  }
}

function checkUnusedFields(rule: Rule, options: RuleOptions): void {
  const { action, regex, modulus, separator, replacement, targetLabel } = rule;
  const touched = modulus !== 0n || separator !== DEFAULT_SEPARATOR || replacement !== DEFAULT_REPLACEMENT;
  if ((action === 'dropequal' || action === 'keepequal') && (touched || regex.source !== DEFAULT_REGEX)) {
    throw new Error(
      `${action} action requires only 'source_labels' and \`target_label\`, and no other fields`,
    );
  }
  if (action === 'labeldrop' || action === 'labelkeep') {
    if (touched || targetLabel !== '' || options.source_labels !== undefined) {
      throw new Error(`${action} action requires only 'regex', and no other fields`);
    }
  }
}

/** Prometheus 3: not empty and valid as UTF-8. */
export function isLabelName(text: string): boolean {
  return text !== '' && !/\p{Surrogate}/u.test(text);
}
