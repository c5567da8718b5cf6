// SPDX-License-Identifier: Apache-2.0
import type { LogFields } from '../../component/telemetry.ts';

export type Level = 'debug' | 'info' | 'warn' | 'error';

export interface Entry {
  readonly timeMs: number;
  readonly level: Level;
  readonly message: string;
  readonly fields: LogFields;
}

/** One entry as a line with its line feed. */
export type Encode = (entry: Entry) => string;

/** What stands in front of the line feed is one line whatever the message holds: entries cannot be forged. */
export function encodeConsole({ timeMs, level, message, fields }: Entry): string {
  const head = `${new Date(timeMs).toISOString()}\t${level}\t${escapeControls(message)}`;
  return Object.keys(fields).length === 0 ? `${head}\n` : `${head}\t${toJson(fields)}\n`;
}

export function encodeJson({ timeMs, level, message, fields }: Entry): string {
  return `${toJson({ level, ts: new Date(timeMs).toISOString(), msg: message, ...fields })}\n`;
}

/**
 * An error with its causes as one text, outermost first. A cause that the message already quotes is not
 * repeated; joined errors are separated by "; ".
 */
export function errorText(error: unknown, depth = 0): string {
  if (!(error instanceof Error)) return String(error);
  if (error instanceof AggregateError && depth < MAX_CAUSES) {
    const joined = error.errors.map((e) => errorText(e, depth + 1)).join('; ');
    return error.message === '' || joined.includes(error.message) ? joined : error.message;
  }
  const own = error.message === '' ? error.name : error.message;
  if (error.cause === undefined || depth >= MAX_CAUSES) return own;
  const cause = errorText(error.cause, depth + 1);
  return own.includes(cause) ? own : `${own}: ${cause}`;
}

const MAX_CAUSES = 8;

function escapeControls(text: string): string {
  return text.replace(/\p{Cc}/gu, (c) => JSON.stringify(c).slice(1, -1));
}

function toJson(value: Readonly<Record<string, unknown>>): string {
  try {
    return JSON.stringify(value, plain);
  } catch (error) {
    const simple = Object.entries(value).map(([key, v]) => [
      key,
      typeof v === 'object' ? errorText(error) : v,
    ]);
    return JSON.stringify(Object.fromEntries(simple), plain);
  }
}

function plain(_key: string, value: unknown): unknown {
  if (value instanceof Error) return errorText(value);
  if (value instanceof Map) return Object.fromEntries(value);
  if (value instanceof Set) return [...value];
  return typeof value === 'bigint' ? value.toString() : value;
}
