// SPDX-License-Identifier: Apache-2.0
import type { Counter, Meter } from '../component/telemetry.ts';
import type { SourceStatus } from './target.ts';

/** What sources count. */
export interface SourceCounters {
  readonly failures: Counter;
  readonly leftOut: Counter;
}

/** Counters for sources, and what `/metrics` shows of them whenever it is read. */
export function observeSources(meter: Meter, status: () => readonly SourceStatus[]): SourceCounters {
  const gauge = (name: string, help: string, read: (source: SourceStatus) => number | undefined): void =>
    meter.observe('gauge', name, help, ['source'], () =>
      status().flatMap((source) => {
        const value = read(source);
        return value === undefined ? [] : [{ value, labels: { source: source.name } }];
      }),
    );
  gauge('discovery_up', 'Whether the last try to discover targets worked', ({ health }) =>
    health === 'unknown' ? undefined : Number(health === 'up'),
  );
  gauge('discovery_found_targets', 'Number of targets before relabelling', ({ found }) => found);
  gauge('discovery_targets', 'Number of targets that relabelling kept', ({ kept }) => kept);
  gauge(
    'discovery_last_success_timestamp_seconds',
    'When targets were discovered last, in seconds since the epoch',
    ({ lastSuccessMs }) => (lastSuccessMs === undefined ? undefined : lastSuccessMs / 1000),
  );
  meter.observe(
    'gauge',
    'discovery_way',
    'How a source that has more than one way learns of changes: 1 for the way it has now',
    ['source', 'way'],
    () =>
      status().flatMap(({ name, way }) =>
        way === undefined ? [] : [{ value: 1, labels: { source: name, way } }],
      ),
  );
  return {
    failures: meter.counter('discovery_failures', 'Number of tries to discover targets in vain', ['source']),
    leftOut: meter.counter(
      'discovery_left_out',
      'Number of times that something was found that is no target, by reason',
      ['source', 'reason'],
    ),
  };
}

/** Heads of a table of sources. */
export const SOURCE_HEADS = [
  'source',
  'health',
  'found',
  'after relabelling',
  'failures',
  'left out',
  'learns by',
  'last success',
  'last error',
] as const;

/** The row of a source, for people. */
export function sourceRow(source: SourceStatus): readonly (string | number)[] {
  const at = (ms: number | undefined): string => (ms === undefined ? 'never' : new Date(ms).toISOString());
  const { name, health, found, kept, failures, leftOut, lastError, lastErrorMs, lastSuccessMs } = source;
  const error = lastError === undefined ? '' : `${at(lastErrorMs)} ${lastError}`;
  const { way = '', whyThisWay } = source;
  const learns = whyThisWay === undefined ? way : `${way}: ${whyThisWay}`;
  return [name, health, found, kept, failures, leftOut, learns, at(lastSuccessMs), error];
}
