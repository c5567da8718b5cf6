// SPDX-License-Identifier: Apache-2.0

/**
 * Go's strings.ToLower and ToUpper map one code point to one (Unicode's simple mapping). JavaScript's
 * methods map in full (ß → SS, word-final Σ → ς), which would give other label values than Prometheus.
 */
export const lowerSimple = (text: string): string => mapEach(text, (c) => c.toLowerCase(), simpleLower);
export const upperSimple = (text: string): string => mapEach(text, (c) => c.toUpperCase(), simpleUpper);

function mapEach(
  text: string,
  full: (c: string) => string,
  exception: (codePoint: number) => number,
): string {
  if (ASCII.test(text)) return full(text);
  let out = '';
  for (const c of text) {
    const mapped = full(c);
    out += isOne(mapped) ? mapped : String.fromCodePoint(exception(c.codePointAt(0) ?? 0));
  }
  return out;
}

const ASCII = /^[\x20-\x7e]*$/;

function isOne(text: string): boolean {
  return text.length === ((text.codePointAt(0) ?? 0) > 0xffff ? 2 : 1);
}

/** İ is the one letter whose full lower case is longer than its simple one. */
const simpleLower = (code: number): number => (code === 0x130 ? 0x69 : code);

/** Greek letters with iota subscript have a simple upper case beside the longer full one; others stay. */
function simpleUpper(code: number): number {
  if (code >= 0x1f80 && code <= 0x1faf) return code | 8;
  return code === 0x1fb3 || code === 0x1fc3 || code === 0x1ff3 ? code + 9 : code;
}
