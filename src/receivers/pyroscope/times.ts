// SPDX-License-Identifier: Apache-2.0

/** Unix time in each unit by its number of digits, as senders of Pyroscope write it; any other number is seconds. */
const NANOS_BY_DIGITS: Readonly<Record<number, bigint>> = { 13: 1_000_000n, 16: 1_000n, 19: 1n };
const SECOND = 1_000_000_000n;
const UNIT_SECONDS: Readonly<Record<string, bigint>> = {
  s: 1n,
  m: 60n,
  min: 60n,
  h: 3_600n,
  d: 86_400n,
  w: 604_800n,
  mon: 2_592_000n,
  M: 2_592_000n,
  y: 31_536_000n,
};
const MAX_NANOS = 2n ** 63n;

/**
 * A time of a query in Unix nanoseconds: seconds, milliseconds (13 digits), microseconds (16) or nanoseconds (19), or
 * `now`, `now-1h`, `now-1h30m`, `now+5s`. Undefined where it is none of them.
 * Source: grafana/pyroscope pkg/og/util/attime
 */
export function parseTime(text: string, nowNanos: bigint): bigint | undefined {
  if (/^\d{1,19}$/.test(text)) {
    const nanos = BigInt(text) * (NANOS_BY_DIGITS[text.length] ?? SECOND);
    return nanos < MAX_NANOS ? nanos : undefined;
  }
  const [, sign, offset = ''] = /^now(?:([+-])((?:\d{1,9}[a-zA-Z]+)+))?$/.exec(text) ?? [undefined];
  if (!text.startsWith('now')) return undefined;
  if (sign === undefined) return text === 'now' ? nowNanos : undefined;
  let seconds = 0n;
  for (const [, count = '', unit = ''] of offset.matchAll(/(\d+)([a-zA-Z]+)/g)) {
    const unitSeconds = Object.hasOwn(UNIT_SECONDS, unit) ? UNIT_SECONDS[unit] : undefined;
    if (unitSeconds === undefined) return undefined;
    seconds += BigInt(count) * unitSeconds;
  }
  const nanos = nowNanos + (sign === '-' ? -seconds : seconds) * SECOND;
  return nanos >= 0n && nanos < MAX_NANOS ? nanos : undefined;
}
