// SPDX-License-Identifier: Apache-2.0
import type { Profile, ProfilesBatch } from '../../pdata/profiles-batch.ts';

type Type = readonly [type: string, unit: string];

/** What the samples of a profile without types of its own are. */
export interface Kind {
  /** `__name__` of the series. */
  readonly name: string;
  readonly sampleType: Type;
  /** As Go's profiles have it, which is what Pyroscope's pages look for; over OTLP it refuses profiles without. */
  readonly periodType: Type;
  /** Whether values are ticks of a timer, `wall` ones to be multiplied by its period. */
  readonly timer?: 'cpu' | 'wall';
}

const MEMORY = 'memory';
const PERIOD_TYPES: Readonly<Record<string, Type>> = {
  memory: ['space', 'bytes'],
  mutex: ['contentions', 'count'],
  block: ['contentions', 'count'],
  goroutine: ['goroutine', 'count'],
};
const kind = (name: string, sampleType: Type): Kind => ({
  name,
  sampleType,
  periodType: PERIOD_TYPES[name] ?? [name, 'count'],
});
const count = (name: string, type: string): Kind => kind(name, [type, 'count']);
const bytes = (type: string): Kind => kind(MEMORY, [type, 'bytes']);
const delay = (name: string): Kind => kind(name, ['delay', 'nanoseconds']);

const cpuTime: Type = ['cpu', 'nanoseconds'];
const wallTime: Type = ['wall', 'nanoseconds'];
const CPU: Kind = {
  name: 'process_cpu',
  sampleType: ['samples', 'count'],
  periodType: cpuTime,
  timer: 'cpu',
};
/** Wall time. */
export const WALL: Kind = { name: 'wall', sampleType: wallTime, periodType: wallTime, timer: 'wall' };
/** Bytes of nobody knows what. */
export const SPACE: Kind = bytes('space');
/** CPU time, not in ticks. */
export const CPU_TIME: Kind = { ...CPU, sampleType: cpuTime };

/** What the last part of an application's name says: `shop.alloc_space`. */
const BY_SUFFIX: Readonly<Record<string, Kind>> = {
  cpu: CPU,
  itimer: CPU,
  wall: WALL,
  inuse_objects: count(MEMORY, 'inuse_objects'),
  inuse_space: bytes('inuse_space'),
  alloc_objects: count(MEMORY, 'alloc_objects'),
  alloc_space: bytes('alloc_space'),
  alloc_in_new_tlab_objects: count(MEMORY, 'alloc_in_new_tlab_objects'),
  alloc_in_new_tlab_bytes: bytes('alloc_in_new_tlab_bytes'),
  alloc_outside_tlab_objects: count(MEMORY, 'alloc_outside_tlab_objects'),
  alloc_outside_tlab_bytes: bytes('alloc_outside_tlab_bytes'),
  live: count(MEMORY, 'live'),
  goroutines: count('goroutine', 'goroutines'),
  exceptions: count('exceptions', 'samples'),
  mutex_count: count('mutex', 'contentions'),
  mutex_duration: delay('mutex'),
  block_count: count('block', 'contentions'),
  block_duration: delay('block'),
  lock_count: count('block', 'contentions'),
  lock_duration: delay('block'),
};

/** What `units` says where the name says nothing. */
const BY_UNITS: Readonly<Record<string, Kind>> = {
  samples: CPU,
  objects: count(MEMORY, 'objects'),
  bytes: SPACE,
  goroutines: count('goroutine', 'goroutines'),
  lock_samples: count('mutex', 'contentions'),
  lock_nanoseconds: delay('mutex'),
  exceptions: count('exceptions', 'samples'),
};

/**
 * What a profile that is nothing but stacks and numbers counts, and whose it is: a last part of the application's name
 * that names a type is taken off it; else `units` decide. Undefined where nobody knows these.
 * Source: grafana/pyroscope pkg/ingester/pyroscope, which refuses names with another last part
 */
export function kindOf(app: string, units: string): { kind: Kind; service: string } | undefined {
  const dot = app.lastIndexOf('.');
  const suffix = app.slice(dot + 1);
  if (dot > 0 && Object.hasOwn(BY_SUFFIX, suffix)) {
    const found = BY_SUFFIX[suffix];
    if (found !== undefined) return { kind: found, service: app.slice(0, dot) };
  }
  const found = Object.hasOwn(BY_UNITS, units) ? BY_UNITS[units] : undefined;
  return found && { kind: found, service: app };
}

/** Under which name a sample type is shown, where the sender does not say. */
const DISPLAY_NAMES: ReadonlyMap<string, string> = new Map([
  ['samples', 'cpu'],
  ['goroutine', 'goroutines'],
  ['contentions', 'mutex_count'],
  ['delay', 'mutex_duration'],
]);

/**
 * The `__name__` of a pprof file, by its sample types. `displayNames` is what the sender says of them; it replaces what
 * is known of them as a whole. Source: grafana/pyroscope pkg/og/convert/pprof
 */
export function pprofName(batch: ProfilesBatch, displayNames = DISPLAY_NAMES): string {
  const types = [...batch.profiles()].map(({ profile: p }) => sampleType(batch, p));
  if (types.includes('wall')) return 'wall';
  let name = '';
  for (const type of types) {
    name = displayNames.get(type) || type;
    if (name.includes('cpu')) return 'process_cpu';
    if (/alloc_|inuse_/.test(name) || name === 'space' || name === 'objects') return MEMORY;
    if (name.includes('mutex_')) return 'mutex';
    if (name.includes('block_')) return 'block';
    if (name.includes('goroutines')) return 'goroutines';
  }
  return name;
}

/** With `_` for the `-` that .NET's agents have in theirs, as Pyroscope has it. */
function sampleType({ dictionary }: ProfilesBatch, p: Profile): string {
  return dictionary.text(p.sampleType.type).replaceAll('-', '_');
}
