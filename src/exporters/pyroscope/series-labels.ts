// SPDX-License-Identifier: Apache-2.0
import { valueToText } from '../../pdata/any-value.ts';
import type { Attributes } from '../../pdata/attributes.ts';
import {
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
  readonly style: 'underscore' | 'dotted';
  readonly external: Readonly<Record<string, string>>;
  /** How many labels the sample attributes of the profile will take. */
  readonly reserved: number;
}

/**
 * Labels of a series, sorted by name: `__name__`, `__delta__`, `service_name`, the resource's attributes
 * and the external labels, within Pyroscope's limits.
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
  report.droppedLabels += own.length - kept.length + attributes.filter((a) => !isUsable(a.key)).length;
  for (const { key, value } of kept) add(labels, labelName(key, options.style), valueToText(value), report);
  labels.set('service_name', truncateUtf8(serviceName(attributes), PYROSCOPE.labelValueBytes));
  labels.set('__name__', name);
  labels.set('__delta__', 'false');
  for (const [key, value] of external) labels.set(key, value);
  return [...labels]
    .map(([label, value]) => ({ name: label, value }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

function isUsable(key: string): boolean {
  const isReserved = key.startsWith('__') && key !== '__session_id__';
  return key !== '' && !isReserved && Buffer.byteLength(key) <= PYROSCOPE.labelNameBytes;
}

/** `k8s.pod.name` → `k8s_pod_name`, or with dots kept; no other character survives in either style. */
export function labelName(key: string, style: LabelOptions['style']): string {
  const name = key.replace(style === 'underscore' ? /[^a-zA-Z0-9_]/g : /[^a-zA-Z0-9_.]/g, '_');
  return /^[0-9]/.test(name) ? `_${name}` : name;
}

/** Two attributes may come to the same label name: the second gets a number. */
function add(labels: Map<string, string>, name: string, value: string, report: RuleReport): void {
  const short = truncateUtf8(value, PYROSCOPE.labelValueBytes);
  if (short !== value) report.truncatedLabels++;
  let free = name;
  for (let n = 2; labels.has(free) && labels.get(free) !== short; n++) free = `${name}_${n}`;
  labels.set(free, short);
}
