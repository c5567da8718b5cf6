// SPDX-License-Identifier: Apache-2.0
import { formatDuration, parseDuration } from '../config/sections/duration.ts';
import type { Given } from './block-reader.ts';
import { fixedValue } from './evaluate/text.ts';
import type { Findings } from './findings.ts';
import { fixedNode, type MappingNode, plainNode } from './yaml/node.ts';

const KEYS = ['min_backoff_period', 'max_backoff_period', 'max_backoff_retries'] as const;
const DEFAULTS = { minMs: 500, maxMs: 300_000, attempts: 10 };

/** Who allows attempts for longer does not mean them to end. */
const FOREVER_MS = 10 * 365 * 86_400_000;
/** What comes sooner after a failed attempt is held back, and waits once more; see exporters/helper/recovery-gate.ts. */
const ONE_ATTEMPT_EVERY_MS = 1_000;
/** 0 would be for ever. */
const LEAST_ELAPSED_MS = 1_000;

/** Between what a wait is drawn; both are the same where it is not drawn. */
interface Range {
  readonly fromMs: number;
  readonly toMs: number;
}

/**
 * The waits of a backoff of Alloy: the first between the least and twice that, each further one between twice as much,
 * and none longer than `maxMs`, unless the least is. Source: grafana/dskit, backoff.
 */
function* waitsOf(minMs: number, maxMs: number): Generator<Range, never> {
  let fromMs = minMs;
  let toMs = Math.min(2 * minMs, maxMs);
  for (;;) {
    yield { fromMs, toMs: Math.max(fromMs, toMs) };
    if (toMs >= maxMs) continue;
    fromMs = Math.min(fromMs * 2, maxMs);
    toMs = Math.min(toMs * 2, maxMs);
  }
}

/** The longest that the waits between so many attempts take together; `FOREVER_MS` where that is very long. */
function longestMs(minMs: number, maxMs: number, attempts: number): number {
  let totalMs = 0;
  let left = attempts - 1;
  for (const { fromMs, toMs } of waitsOf(minMs, maxMs)) {
    if (left <= 0) break;
    const waitMs = toMs + (fromMs < ONE_ATTEMPT_EVERY_MS ? ONE_ATTEMPT_EVERY_MS : 0);
    totalMs += waitMs;
    left--;
    // All further ones are the same.
    if (toMs >= maxMs || toMs === 0) {
      totalMs += left * waitMs;
      break;
    }
  }
  return Math.min(totalMs, FOREVER_MS);
}

/**
 * Writes the backoff of an endpoint, which counts attempts, as `retry_on_failure`, which counts time: the same waits,
 * and as much time as the attempts can take where each fails at once, so that there are never fewer.
 */
export function writeBackoff(node: MappingNode, given: ReadonlyMap<string, Given>, findings: Findings): void {
  if (!KEYS.some((key) => given.has(key))) return;
  const minMs = durationOf(given.get('min_backoff_period'), DEFAULTS.minMs, findings);
  const maxMs = durationOf(given.get('max_backoff_period'), DEFAULTS.maxMs, findings);
  const attempts = countOf(given.get('max_backoff_retries'), findings);
  if (minMs === undefined || maxMs === undefined || attempts === undefined) return;
  const retry = node.at('retry_on_failure');
  if (attempts === 1) {
    retry.set('enabled', plainNode(false), ['max_backoff_retries = 1 is one attempt']);
    return;
  }
  const { fromMs, toMs } = waitsOf(minMs, maxMs).next().value;
  const initialMs = (fromMs + toMs) / 2;
  const spread = fromMs + toMs === 0 ? 0 : (toMs - fromMs) / (toMs + fromMs);
  // The spread goes beyond it by a third: then the longest wait is the longest of the original.
  const highestMs = Math.max(initialMs, maxMs / (1 + spread));
  const elapsedMs = attempts === 0 ? FOREVER_MS : longestMs(minMs, maxMs, attempts);
  const isEndless = elapsedMs === FOREVER_MS;
  const keptMs = isEndless ? 0 : Math.max(LEAST_ELAPSED_MS, Math.ceil(elapsedMs / 1_000) * 1_000);
  retry
    .set('initial_interval', fixedNode(formatDuration(initialMs)))
    .set('randomization_factor', plainNode(Number(spread.toFixed(3))))
    .set('multiplier', plainNode(2))
    .set(
      'max_interval',
      fixedNode(formatDuration(Math.round(isEndless ? highestMs : Math.min(highestMs, keptMs)))),
    )
    .set('max_elapsed_time', fixedNode(formatDuration(keptMs)), [
      isEndless
        ? `max_backoff_retries = ${attempts} tries for ever`
        : `as long as ${attempts} attempts take at most: this collector counts time`,
    ]);
}

function durationOf(given: Given | undefined, fallback: number, findings: Findings): number | undefined {
  if (given === undefined) return fallback;
  const text = given.value.kind === 'string' ? fixedValue(given.value.text) : undefined;
  try {
    if (text === undefined) throw new Error('has to be known before the collector runs');
    const ms = parseDuration(text);
    if (ms < 0) throw new Error(`${text} is less than nothing`);
    return ms;
  } catch (error) {
    findings.lost(given.place, 'backoff', error instanceof Error ? error.message : String(error));
    return undefined;
  }
}

function countOf(given: Given | undefined, findings: Findings): number | undefined {
  if (given === undefined) return DEFAULTS.attempts;
  const { value, place } = given;
  const text = value.kind === 'string' ? fixedValue(value.text) : undefined;
  const count = value.kind === 'number' ? value.value : Number(text ?? Number.NaN);
  if (Number.isInteger(count) && count >= 0) return count;
  findings.lost(place, 'max_backoff_retries', 'expected a number that is known before the collector runs');
  return undefined;
}
