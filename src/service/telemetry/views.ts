// SPDX-License-Identifier: Apache-2.0
import type { BuildInfo } from '../../component/component.ts';
import type { Labels } from '../../component/telemetry.ts';
import type { TelemetryConfig } from '../../config/service-section.ts';
import type { ViewsConfig } from '../../config/telemetry-export.ts';
import { unitOf } from './readings.ts';

/** A kind of instrument, as views name it. */
export type InstrumentType = 'counter' | 'gauge' | 'histogram' | 'observable_counter' | 'observable_gauge';

/** What becomes of a metric. */
export interface MetricStream {
  readonly name: string;
  readonly help: string;
  /** Of a histogram; absent: as the code asks for. */
  readonly buckets: readonly number[] | undefined;
  keepsLabel(name: string): boolean;
}

/** What becomes of metrics under a level and views; undefined: nothing is kept of it. */
export type MetricShape = (name: string, help: string, type: InstrumentType) => MetricStream | undefined;

const all = (): boolean => true;

/** The first view whose selector fits a metric counts. At level basic there are no histograms. */
export function shapeOf(
  { level, views }: Pick<TelemetryConfig['metrics'], 'level' | 'views'>,
  build: Pick<BuildInfo, 'command' | 'version'>,
): MetricShape {
  return (name, help, type) => {
    if (level === 'basic' && type === 'histogram') return undefined;
    const view = views.find(({ selector }) => fits(selector, name, type, build));
    if (view === undefined) return { name, help, buckets: undefined, keepsLabel: all };
    const { aggregation, attribute_keys: keys, ...stream } = view.stream;
    if (aggregation?.drop !== undefined) return undefined;
    const [included, excluded] = [keys?.included, new Set(keys?.excluded)];
    return {
      name: stream.name ?? name,
      help: stream.description ?? help,
      buckets: aggregation?.explicit_bucket_histogram?.boundaries,
      keepsLabel: (label) => (included?.includes(label) ?? true) && !excluded.has(label),
    };
  };
}

function fits(
  selector: ViewsConfig[number]['selector'],
  name: string,
  type: InstrumentType,
  build: Pick<BuildInfo, 'command' | 'version'>,
): boolean {
  return (
    matches(selector.instrument_name, name) &&
    (selector.instrument_type ?? type) === type &&
    (selector.unit ?? unitOf(name)) === unitOf(name) &&
    matches(selector.meter_name, build.command) &&
    (selector.meter_version ?? build.version) === build.version
  );
}

/** `*` stands for any text, `?` for one character. */
function matches(pattern: string | undefined, text: string): boolean {
  if (pattern === undefined) return true;
  let [at, from, star, mark] = [0, 0, -1, 0];
  while (from < text.length) {
    if (pattern[at] === '*') [star, mark] = [at++, from];
    else if (pattern[at] === '?' || pattern[at] === text[from]) [at, from] = [at + 1, from + 1];
    else if (star >= 0) [at, from] = [star + 1, ++mark];
    else return false;
  }
  while (pattern[at] === '*') at++;
  return at === pattern.length;
}

/** Of labels, those that a stream keeps. */
export function keptLabels({ keepsLabel }: MetricStream, labels: Labels): Labels {
  if (keepsLabel === all) return labels;
  return Object.fromEntries(Object.entries(labels).filter(([name]) => keepsLabel(name)));
}
