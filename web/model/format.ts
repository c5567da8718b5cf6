// SPDX-License-Identifier: Apache-2.0

const UNIT_NS: Readonly<Record<string, number>> = {
  nanoseconds: 1,
  microseconds: 1e3,
  milliseconds: 1e6,
  seconds: 1e9,
};
const TITLES: Readonly<Record<string, string>> = {
  'cpu:nanoseconds': 'CPU time',
  'off_cpu:nanoseconds': 'Off-CPU time',
  'wall:nanoseconds': 'Wall time',
  'alloc_space:bytes': 'Allocated bytes',
  'alloc_objects:count': 'Allocated objects',
  'inuse_space:bytes': 'Heap in use',
  'inuse_objects:count': 'Objects in use',
  'events:count': 'Probe events',
  'delay:nanoseconds': 'Delay',
  'contentions:count': 'Contentions',
};

/** `cpu:nanoseconds` as people say it. */
export function typeTitle(type: string): string {
  const [name = '', unit = ''] = type.split(':');
  return TITLES[type] ?? `${name.replaceAll('_', ' ')}${unit === 'count' || unit === '' ? '' : ` (${unit})`}`;
}

/** Three digits that matter. */
function digits(value: number): string {
  if (value >= 100 || Number.isInteger(value)) return Math.round(value).toString();
  return value.toFixed(value >= 10 ? 1 : 2);
}

export function formatWeight(weight: number, type: string): string {
  const unit = type.slice(type.indexOf(':') + 1);
  const ns = UNIT_NS[unit];
  if (ns !== undefined) return formatNs(weight * ns);
  if (unit === 'bytes') return scaled(weight, 1024, ['B', 'KiB', 'MiB', 'GiB', 'TiB']);
  return scaled(weight, 1000, ['', 'k', 'M', 'G', 'T']);
}

function formatNs(ns: number): string {
  if (ns >= 3600e9) return `${digits(ns / 3600e9)} h`;
  if (ns >= 120e9) return `${digits(ns / 60e9)} min`;
  if (ns >= 1e9) return `${digits(ns / 1e9)} s`;
  if (ns >= 1e6) return `${digits(ns / 1e6)} ms`;
  if (ns >= 1e3) return `${digits(ns / 1e3)} µs`;
  return ns === 0 ? '0' : `${digits(ns)} ns`;
}

function scaled(value: number, base: number, units: readonly string[]): string {
  let at = 0;
  let rest = value;
  for (; rest >= base && at < units.length - 1; at++) rest /= base;
  return `${digits(rest)} ${units[at] ?? ''}`.trimEnd();
}

export function formatPercent(part: number, whole: number): string {
  const percent = whole === 0 ? 0 : (100 * part) / whole;
  if (percent > 0 && percent < 0.01) return '<0.01%';
  return `${percent >= 99.95 ? 100 : percent.toFixed(percent < 1 ? 2 : 1)}%`;
}

/** Mean number of busy cores, for types that are time. */
export function formatCores(weight: number, type: string, spanMs: number): string | undefined {
  const ns = UNIT_NS[type.slice(type.indexOf(':') + 1)];
  if (ns === undefined || spanMs <= 0 || !type.startsWith('cpu:')) return undefined;
  const cores = (weight * ns) / (spanMs * 1e6);
  return `${cores < 0.01 && cores > 0 ? '<0.01' : digits(cores)} ${cores === 1 ? 'core' : 'cores'}`;
}

export function formatClock(ms: number): string {
  const date = new Date(ms);
  return [date.getHours(), date.getMinutes(), date.getSeconds()]
    .map((n) => String(n).padStart(2, '0'))
    .join(':');
}

export function formatSpan(ms: number): string {
  const seconds = Math.round(ms / 1000);
  if (seconds < 60) return `${seconds} s`;
  const rest = seconds % 60;
  return rest === 0 ? `${Math.floor(seconds / 60)} min` : `${Math.floor(seconds / 60)} min ${rest} s`;
}

export function formatBytes(bytes: number): string {
  return scaled(bytes, 1024, ['B', 'KiB', 'MiB', 'GiB']);
}
