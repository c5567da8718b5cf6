// SPDX-License-Identifier: Apache-2.0

/** Controls, formats that turn the direction of text or hide in it, and the line ends of Unicode. */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;

/**
 * Text of unknown origin as one line for logs and terminals: what would control them, or deceive who reads,
 * is written as `\u{…}`.
 */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, (c) => `\\u{${(c.codePointAt(0) ?? 0).toString(16)}}`);
}
