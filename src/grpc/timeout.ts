// SPDX-License-Identifier: Apache-2.0

const UNIT_MS: Readonly<Record<string, number>> = {
  H: 3_600_000,
  M: 60_000,
  S: 1_000,
  m: 1,
  u: 1e-3,
  n: 1e-6,
};

/** Most that timers of node hold; a longer wait is as good as none. */
export const MAX_TIMER_MS = 2_147_483_647;

/**
 * Milliseconds of a `grpc-timeout`; undefined where it is none.
 * Source: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#requests
 */
export function parseGrpcTimeout(text: string): number | undefined {
  const [, digits, unit] = /^(\d{1,8})([HMSmun])$/.exec(text) ?? [];
  const unitMs = UNIT_MS[unit ?? ''];
  return unitMs === undefined ? undefined : Number(digits) * unitMs;
}

/** The same as text, rounded up; at most eight digits are allowed, so a long one loses precision. */
export function formatGrpcTimeout(timeoutMs: number): string {
  for (const unit of ['m', 'S', 'M'] as const) {
    const count = Math.ceil(timeoutMs / (UNIT_MS[unit] ?? 1));
    if (count < 100_000_000) return `${count}${unit}`;
  }
  return `${Math.min(99_999_999, Math.ceil(timeoutMs / 3_600_000))}H`;
}
