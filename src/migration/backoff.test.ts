// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parse } from 'yaml';
import { type RetryOnFailureConfig, retryOnFailureSchema } from '../config/sections/retry.ts';
import { convert } from './convert.ts';
import { formatFinding } from './findings.ts';

/** What `convert` makes of an endpoint with these options. */
function converted(options: string): { retry: RetryOnFailureConfig; isSet: boolean; told: string } {
  const { yaml, findings } = convert(
    `pyroscope.write "x" {\n  endpoint {\n    url = "http://a:4040"\n    ${options}\n  }\n}
pyroscope.receive_http "y" {\n  forward_to = [pyroscope.write.x.receiver]\n}\n`,
    { era: 'alloy', file: 'x.alloy', environment: {}, readModule: () => '' },
  );
  const document = parse(yaml ?? '') as { exporters: Record<string, { retry_on_failure?: object }> };
  const section = document.exporters['pyroscope/x']?.retry_on_failure;
  const told = findings.map(formatFinding).join('\n');
  return { retry: retryOnFailureSchema.parse(section ?? {}), isSet: section !== undefined, told };
}

/** The waits of a delivery of which each attempt fails at once; `at`: where in its range each wait lies, 0 to 1. */
function waitsHere(retry: RetryOnFailureConfig, at: number, most = 40): number[] {
  const waits: number[] = [];
  let interval = retry.initial_interval;
  let elapsed = 0;
  while (waits.length < most) {
    const spread = interval * retry.randomization_factor;
    const wait = interval - spread + at * 2 * spread;
    if (retry.max_elapsed_time > 0 && elapsed + wait > retry.max_elapsed_time) break;
    waits.push(wait);
    elapsed += wait;
    interval = Math.min(retry.max_interval, interval * retry.multiplier);
  }
  return waits;
}

/** The ranges of Alloy's waits, in ms, as its library has them: doubled until the upper end is the longest. */
function rangesThere(min: number, max: number, attempts: number): [from: number, to: number][] {
  const ranges: [number, number][] = [];
  for (let i = 0, low = min, high = Math.min(2 * min, max); i < attempts - 1; i++) {
    ranges.push([low, Math.max(low, high)]);
    if (high < max) [low, high] = [Math.min(2 * low, max), Math.min(2 * high, max)];
  }
  return ranges;
}

const cases: readonly (readonly [options: string, min: number, max: number, attempts: number])[] = [
  ['max_backoff_retries = 10', 500, 300_000, 10],
  ['min_backoff_period = "1s"\nmax_backoff_period = "1m"\nmax_backoff_retries = 5', 1_000, 60_000, 5],
  ['min_backoff_period = "1s"\nmax_backoff_period = "8s"\nmax_backoff_retries = 20', 1_000, 8_000, 20],
  ['min_backoff_period = "100ms"\nmax_backoff_period = "150ms"\nmax_backoff_retries = 30', 100, 150, 30],
  ['min_backoff_period = "2s"\nmax_backoff_period = "1s"\nmax_backoff_retries = 4', 2_000, 1_000, 4],
  ['max_backoff_period = "10s"', 500, 10_000, 10],
  ['max_backoff_retries = "2"', 500, 300_000, 2],
];

describe('the backoff of an endpoint', () => {
  for (const [options, min, max, attempts] of cases) {
    it(`is kept: ${options.replaceAll('\n', ', ')}`, () => {
      const { retry } = converted(options);
      const there = rangesThere(min, max, attempts);
      for (const end of [0, 1] as const) {
        const here = waitsHere(retry, end, attempts - 1);
        assert.equal(here.length, attempts - 1, 'never fewer attempts');
        for (const [i, wait] of here.entries()) {
          const range = there[i] ?? assert.fail();
          const isLast = range[1] === max && min * 2 <= max;
          // The last range there is from somewhere between half of the longest wait and all of it; here from half.
          const wanted = isLast ? [max / 2, max][end] : range[end];
          const off = Math.abs(wait - (wanted ?? 0));
          const isBetween = wait >= range[0] / 2 && wait <= range[1];
          assert.ok(
            off <= (wanted ?? 0) * 0.002 + 1 || (isLast && isBetween),
            `wait ${i}: ${wait}, not ${wanted}`,
          );
        }
      }
    });
  }

  it('ends after as many attempts as long as waits are doubled', () => {
    for (const [attempts, options] of [5, 8, 10].map((n) => [n, `max_backoff_retries = ${n}`] as const)) {
      const { retry } = converted(options);
      for (const at of [0, 0.5, 1]) {
        // The time is rounded up to a second, which is one more of the shortest waits at most.
        const { length } = waitsHere(retry, at);
        assert.ok(length >= attempts - 1 && length <= attempts, `${length + 1} attempts of ${attempts}`);
      }
    }
  });

  it('of one attempt is none, of 0 goes on for ever, and so does what takes years', () => {
    assert.equal(converted('max_backoff_retries = 1').retry.enabled, false);
    for (const count of ['0', '1000000000']) {
      const { retry } = converted(`max_backoff_retries = ${count}`);
      assert.deepEqual([retry.enabled, retry.max_elapsed_time], [true, 0]);
      assert.ok(Math.max(...waitsHere(retry, 1)) <= 300_000 * 1.002);
      assert.ok(Math.max(...waitsHere(retry, 1)) >= 300_000 * 0.99);
    }
  });

  it('without waits has room for its attempts, one a second, and ends all the same', () => {
    const { retry } = converted('min_backoff_period = "0s"');
    assert.deepEqual([retry.initial_interval, retry.max_elapsed_time], [0, 9_000]);
  });

  it('that is not given is that of this collector', () => {
    assert.equal(converted('').isSet, false);
  });

  it('that cannot be known, or is no backoff, is told of and left out', () => {
    for (const [options, why] of [
      ['min_backoff_period = "-1s"', /-1s is less than nothing/],
      ['max_backoff_period = "soon"', /invalid duration "soon"/],
      ['max_backoff_retries = 1.5', /max_backoff_retries.*expected a number/],
      ['max_backoff_retries = -1', /max_backoff_retries.*expected a number/],
    ] as const) {
      const { isSet, told } = converted(options);
      assert.equal(isSet, false);
      assert.match(told, why);
    }
  });
});
