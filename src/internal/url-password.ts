// SPDX-License-Identifier: Apache-2.0

/** A text as it was, but where it is a URL that holds a password `hidden` stands in its place. */
export function withoutPassword(text: string, hidden = '[REDACTED]'): string {
  return text.replace(/^([a-z][a-z0-9+.-]*:\/\/[^/?#@:\s]*):[^/?#\s]*@/i, `$1:${hidden}@`);
}
