// SPDX-License-Identifier: Apache-2.0
import { valueToText } from '../../pdata/any-value.ts';
import { type Attributes, getText } from '../../pdata/attributes.ts';
import {
  labelText,
  mostTelling,
  PYROSCOPE,
  type RuleReport,
  serviceName,
  truncateUtf8,
} from '../helper/pyroscope-rules.ts';

/** One label of a series. */
export interface LabelPair {
  readonly name: string;
  readonly value: string;
}

/** How labels are made of attributes. */
export interface LabelOptions {
  readonly style: 'underscore' | 'dotted' | 'as_is';
  readonly external: Readonly<Record<string, string>>;
  /** How many labels the sample attributes of the profile will take. */
  readonly reserved: number;
}

/**
 * Labels of a series, sorted by name: `__name__`, `__delta__` (that of the resource, else "false"),
 * `service_name`, the resource's attributes and the external labels, within Pyroscope's limits.
 */
export function seriesLabels(
  name: string,
  attributes: Attributes,
  options: LabelOptions,
  report: RuleReport,
): LabelPair[] {
  const labels = new Map<string, string>();
  const external = Object.entries(options.external);
  const fixed = new Set(['__name__', '__delta__', 'service_name', ...external.map(([key]) => key)]);
  const room = PYROSCOPE.ownLabels - options.reserved - external.length;
  const usable = attributes.filter((a) => isUsable(a.key) && valueToText(a.value) !== '');
  const own = usable.filter((a) => !fixed.has(labelName(a.key, options.style)));
  const kept = mostTelling(own, room);
  const unusable = attributes.filter((a) => !isUsable(a.key) && !OF_SERIES.has(a.key));
  report.droppedLabels += own.length - kept.length + unusable.length;
  for (const { key, value } of kept) add(labels, labelName(key, options.style), valueToText(value), report);
  labels.set('service_name', truncateUtf8(serviceName(attributes), PYROSCOPE.labelValueBytes));
  labels.set('__name__', name);
  labels.set('__delta__', getText(attributes, '__delta__') || 'false');
  return withExternal(labels, options.external);
}

/** The labels with the external ones over them, sorted by name. An external label without value takes one away. */
export function withExternal(
  labels: Map<string, string>,
  external: Readonly<Record<string, string>>,
): LabelPair[] {
  for (const [key, value] of Object.entries(external)) {
    if (value === '') labels.delete(key);
    else labels.set(key, value);
  }
  return [...labels].map(([name, value]) => ({ name, value })).sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Attributes that are no labels of their own: they say what the series is. */
const OF_SERIES: ReadonlySet<string> = new Set(['__name__', '__delta__']);

/** Names with two underscores are private, but for that of a session. */
export const isPrivate = (key: string): boolean => key.startsWith('__') && key !== '__session_id__';

function isUsable(key: string): boolean {
  return key !== '' && !isPrivate(key) && Buffer.byteLength(key) <= PYROSCOPE.labelNameBytes;
}

/** `k8s.pod.name` → `k8s_pod_name`, or with dots kept; no other character survives in these two styles. */
export function labelName(key: string, style: LabelOptions['style']): string {
  if (style === 'as_is') return key;
  const name = key.replace(style === 'underscore' ? /[^a-zA-Z0-9_]/g : /[^a-zA-Z0-9_.]/g, '_');
  return /^[0-9]/.test(name) ? `_${name}` : name;
}

/** Two attributes may come to the same label name: the second gets a number. */
function add(labels: Map<string, string>, name: string, value: string, report: RuleReport): void {
  const short = labelText(value, report);
  let free = name;
  for (let n = 2; labels.has(free) && labels.get(free) !== short; n++) free = `${name}_${n}`;
  labels.set(free, short);
}
