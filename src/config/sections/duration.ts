// SPDX-License-Identifier: Apache-2.0
import * as z from 'zod';

const UNIT_MS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  μs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};
const WHOLE = /^[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+$/;
const PART = /(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)/g;
const UNITLESS = /^[+-]?(?:\d+\.?\d*|\.\d+)$/;

/** Milliseconds of a Go duration text ("1h30m", "200ms", "0"); throws Error where it is none. */
export function parseDuration(text: string): number {
  if (/^[+-]?0$/.test(text)) return 0;
  if (!WHOLE.test(text)) {
    if (UNITLESS.test(text)) {
      throw new Error(
        `time: missing unit in duration ${JSON.stringify(text)} (for seconds write "${text}s")`,
      );
    }
    throw new Error(`time: invalid duration ${JSON.stringify(text)} (examples: "5s", "200ms", "1m30s")`);
  }
  let ms = 0;
  for (const [, amount, unit] of text.matchAll(PART))
    ms += Number(amount) * (UNIT_MS[unit ?? ''] ?? Number.NaN);
  return text.startsWith('-') ? -ms : ms;
}

/** The shortest Go duration text for milliseconds: 90000 → "1m30s". */
export function formatDuration(ms: number): string {
  if (ms === 0) return '0s';
  if (ms < 0) return `-${formatDuration(-ms)}`;
  if (ms < 1e-3) return `${Math.round(ms * 1e6)}ns`;
  if (ms < 1) return `${Number((ms * 1e3).toPrecision(12))}µs`;
  if (ms < 1000) return `${Number(ms.toPrecision(12))}ms`;
  const hours = Math.floor(ms / 3_600_000);
  const minutes = Math.floor((ms % 3_600_000) / 60_000);
  const seconds = Number(((ms % 60_000) / 1000).toPrecision(12));
  return `${hours > 0 ? `${hours}h` : ''}${minutes > 0 ? `${minutes}m` : ''}${seconds > 0 ? `${seconds}s` : ''}`;
}

// Refining or describing a schema copies it, but the copy keeps the same transform.
const transforms = new WeakSet<z.core.$ZodType>();

/** True for what `durationSchema` is made of: output in milliseconds, input a Go duration. */
export function isDurationTransform(schema: z.core.$ZodType): boolean {
  return transforms.has(schema);
}

/**
 * A Go duration text → milliseconds. A number without unit is refused, except 0. Negative values are
 * refused unless `negative` is set. Give a default with `.default(ms)`.
 */
export function durationSchema(options: { readonly negative?: boolean } = {}) {
  const schema = z.union([z.string(), z.number()]).transform((value, context) => {
    const fail = (message: string): never => {
      context.addIssue({ code: 'custom', message });
      return z.NEVER;
    };
    let ms: number;
    try {
      ms = parseDuration(String(value));
    } catch (error) {
      return fail(error instanceof Error ? error.message : String(error));
    }
    return ms < 0 && options.negative !== true
      ? fail(`must not be negative, got ${JSON.stringify(value)}`)
      : ms;
  });
  transforms.add(schema._zod.def.out);
  return schema;
}
