// SPDX-License-Identifier: Apache-2.0
import * as z from 'zod';
import { RelabelRegex } from './regex.ts';
import { compileRule, parseAction, type Rule } from './rule.ts';

/** A YAML scalar that Prometheus reads as text: `replacement: 1` is "1", an empty `regex:` is "". */
const textSchema = z.preprocess(
  (value) =>
    value === null ? '' : typeof value === 'number' || typeof value === 'boolean' ? String(value) : value,
  z.string(),
);

const MAX_MODULUS = 2n ** 64n - 1n;

/** One Prometheus relabel_config, checked and compiled. */
export const relabelRuleSchema = z
  .strictObject({
    source_labels: z.array(z.string()).optional().describe('labels whose values are joined'),
    separator: textSchema.optional().describe('stands between joined values; default ";"'),
    regex: textSchema.optional().describe('RE2, must match the whole text; default "(.*)"'),
    modulus: z.coerce.bigint().min(0n).max(MAX_MODULUS).optional().describe('of hashmod'),
    target_label: textSchema.optional().describe('the label that is written or compared'),
    replacement: textSchema.optional().describe('may refer to groups: $1, ${name}; default "$1"'),
    action: textSchema.optional().describe('default "replace"'),
  })
  .transform((options, issues): Rule => {
    const report = (error: unknown, path: string[]): void =>
      issues.addIssue({
        code: 'custom',
        path,
        message: error instanceof Error ? error.message : String(error),
      });
    // Each of these can be wrong by itself, and is told at its own place.
    const parts = {
      action: () => parseAction(options.action ?? 'replace'),
      regex: () => new RelabelRegex(options.regex ?? ''),
    };
    const wrong = Object.entries(parts).filter(([key, parse]) => {
      try {
        parse();
        return false;
      } catch (error) {
        report(error, [key]);
        return true;
      }
    });
    if (wrong.length > 0) return z.NEVER;
    try {
      return compileRule(options);
    } catch (error) {
      report(error, []);
      return z.NEVER;
    }
  });
