// SPDX-License-Identifier: Apache-2.0

/** Whether a text can be the value of a header: printable ASCII that neither begins nor ends with a space. */
export function isHeaderText(text: string): boolean {
  return /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/.test(text);
}

/** Tokens of a file, one a line; blank lines count for nothing. Throws Error where there is none. */
export function parseTokens(text: string): readonly string[] {
  const lines = text.split(/\r?\n/).map((line) => line.trim());
  lines.forEach((line, index) => {
    if (line !== '' && !isHeaderText(line)) throw new Error(`line ${index + 1} cannot be sent in a header`);
  });
  const tokens = lines.filter((line) => line !== '');
  if (tokens.length === 0) throw new Error('the file holds no token');
  return tokens;
}
