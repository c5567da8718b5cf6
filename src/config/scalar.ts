// SPDX-License-Identifier: Apache-2.0
import { type Document, Scalar, visit } from 'yaml';
import type { ScalarValue } from './tree.ts';

const INTEGER = /^[-+]?(?:0b[01]+|0o?[0-7]+|0x[0-9a-fA-F]+|0|[1-9]\d*)$/;
const FLOAT = /^[-+]?(?:\.\d+|\d+(?:\.\d*)?)(?:[eE][-+]?\d+)?$/;

const WORDS: Readonly<Record<string, ScalarValue>> = {
  '': null,
  '~': null,
  null: null,
  Null: null,
  NULL: null,
  true: true,
  True: true,
  TRUE: true,
  false: false,
  False: false,
  FALSE: false,
};

/**
 * Type of a plain YAML scalar as Go's yaml.v3 sees it, for that is what the Collector's users know:
 * YAML 1.2 with 1.1's octals (0123 is 83) and underscores in numbers; yes, no, on and off are texts.
 */
export function resolvePlainScalar(text: string): ScalarValue {
  if (Object.hasOwn(WORDS, text)) return WORDS[text] ?? null;
  if (!/^[-+.\d]/.test(text)) return text;
  const digits = text.replaceAll('_', '');
  if (INTEGER.test(digits)) return integer(digits);
  if (FLOAT.test(digits)) return Number(digits);
  if (/^[-+]?\.(?:inf|Inf|INF)$/.test(text)) return text.startsWith('-') ? -Infinity : Infinity;
  return /^\.(?:nan|NaN|NAN)$/.test(text) ? Number.NaN : text;
}

function integer(text: string): number | bigint {
  const unsigned = text.replace(/^[-+]/, '').replace(/^0(?=[0-7])/, '0o');
  const value = text.startsWith('-') ? -BigInt(unsigned) : BigInt(unsigned);
  return value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER ? Number(value) : value;
}

/** Quotes the texts of a document that stand there plain, as YAML 1.2 may have them, but are numbers here. */
export function quoteTexts(document: Document): void {
  visit(document, {
    Scalar: (_, scalar) => {
      if (typeof scalar.value === 'string' && typeof resolvePlainScalar(scalar.value) !== 'string')
        scalar.type = Scalar.QUOTE_DOUBLE;
    },
  });
}
