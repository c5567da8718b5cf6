// SPDX-License-Identifier: Apache-2.0

/** How one check went, as it crosses the serial console. */
export interface CheckResult {
  readonly name: string;
  readonly ok: boolean;
  /** What was seen, or why it failed. */
  readonly detail: string;
  readonly seconds: number;
}

const MARK = 'CHECK ';

/** One line of ASCII, so that a console of any encoding carries it. */
export function formatCheck(result: CheckResult): string {
  const text = JSON.stringify(result);
  return (
    MARK + text.replace(/[\u007f-\uffff]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`)
  );
}

/** The result in a line of the console; undefined where it holds none. Messages of the kernel may stand before it. */
export function parseCheck(line: string): CheckResult | undefined {
  const at = line.indexOf(`${MARK}{`);
  if (at < 0) return undefined;
  try {
    const value: unknown = JSON.parse(line.slice(at + MARK.length));
    return isResult(value) ? value : undefined;
  } catch {
    // A message of the kernel stands in the middle: the check counts as missing.
    return undefined;
  }
}

function isResult(value: unknown): value is CheckResult {
  return (
    typeof value === 'object' &&
    value !== null &&
    'name' in value &&
    typeof value.name === 'string' &&
    'ok' in value &&
    typeof value.ok === 'boolean' &&
    'detail' in value &&
    typeof value.detail === 'string' &&
    'seconds' in value &&
    typeof value.seconds === 'number'
  );
}
