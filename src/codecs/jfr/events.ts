// SPDX-License-Identifier: Apache-2.0
import type { JfrCursor } from './cursor.ts';
import { type IntegerPlan, integerPlan, type Layout, type LayoutCompiler } from './layout.ts';
import type { JfrField, JfrMetadata } from './metadata.ts';

/** Slots of what events carry. */
export const Slot = {
  stack: 0,
  amount: 1,
  state: 2,
  context: 3,
  span: 4,
  spanName: 5,
  traceHigh: 6,
  traceLow: 7,
  id: 8,
  name: 9,
  value: 10,
  address: 11,
} as const;

/** Slots of all events together. */
const SLOT_COUNT = 12;

/** What an event counts towards. */
type EventKind =
  | 'execution'
  | 'native'
  | 'cpuTime'
  | 'wall'
  | 'newTlab'
  | 'outsideTlab'
  | 'allocSample'
  | 'monitor'
  | 'park'
  | 'live'
  | 'malloc'
  | 'setting';

/** What is known of an event before a file says how it lies in it. */
interface EventSource {
  readonly kind: EventKind;
  /** The field that is summed up, where it is not only counted. */
  readonly amount?: string;
}

/** Events that are read, by the names of their classes; all others are passed over. */
const EVENTS: Readonly<Record<string, EventSource>> = {
  'jdk.ExecutionSample': { kind: 'execution' },
  'jdk.NativeMethodSample': { kind: 'native' },
  'jdk.CPUTimeSample': { kind: 'cpuTime', amount: 'samplingPeriod' },
  'profiler.WallClockSample': { kind: 'wall', amount: 'samples' },
  'jdk.ObjectAllocationInNewTLAB': { kind: 'newTlab', amount: 'tlabSize' },
  'jdk.ObjectAllocationOutsideTLAB': { kind: 'outsideTlab', amount: 'allocationSize' },
  'jdk.ObjectAllocationSample': { kind: 'allocSample', amount: 'weight' },
  'jdk.JavaMonitorEnter': { kind: 'monitor', amount: 'duration' },
  'jdk.ThreadPark': { kind: 'park', amount: 'duration' },
  'profiler.LiveObject': { kind: 'live' },
  'profiler.Malloc': { kind: 'malloc', amount: 'size' },
  'jdk.ActiveSetting': { kind: 'setting' },
};

/** Rows of readers are below this. */
export const EVENT_COUNT = Object.keys(EVENTS).length;

/** Constants by class, where a field holds the key of one. */
const STACK_TRACE = 'jdk.types.StackTrace';
const THREAD_STATE = 'jdk.types.ThreadState';

/** Fields that async-profiler's fork of Pyroscope adds: the labels and the span of the thread. */
const CORRELATION: ReadonlyMap<string, number> = new Map(
  Object.entries({
    contextId: Slot.context,
    spanId: Slot.span,
    spanName: Slot.spanName,
    traceIdHi: Slot.traceHigh,
    traceIdLo: Slot.traceLow,
  }),
);

const SETTING: ReadonlyMap<string, number> = new Map(
  Object.entries({ id: Slot.id, name: Slot.name, value: Slot.value }),
);

/** An event of a chunk that is read. */
export interface EventReader {
  readonly kind: EventKind;
  /** Index of the event in `EVENTS`, for keys. */
  readonly row: number;
  readonly layout: Layout;
  /** Where the event is nothing but integers. */
  readonly plan: IntegerPlan | undefined;
  /** Where its values go; those of fields that the class does not have stay 0. */
  readonly slots: Int32Array;
  /** It has a field that ties it to labels or a span. */
  readonly isTied: boolean;
  /** Unit of `amount` as the metadata has it. */
  readonly timespan: string | undefined;
}

/** The readers of a chunk by type id. */
export function eventReaders(
  c: JfrCursor,
  metadata: JfrMetadata,
  compiler: LayoutCompiler,
): ReadonlyMap<number, EventReader> {
  const readers = new Map<number, EventReader>();
  for (const [row, [name, source]] of Object.entries(EVENTS).entries()) {
    const cls = metadata.byName.get(name);
    if (cls === undefined) continue;
    const slotOfField = (field: JfrField): number | undefined => slotOf(metadata, source, field);
    const layout = compiler.compile(cls, slotOfField);
    const amount = cls.fields.find((field) => field.name === source.amount);
    const ties: readonly number[] = [...CORRELATION.values()];
    readers.set(cls.id, {
      kind: source.kind,
      row,
      layout,
      plan: integerPlan(c, layout),
      slots: new Int32Array(SLOT_COUNT * 2),
      isTied: cls.fields.some((field) => ties.includes(slotOfField(field) ?? -1)),
      timespan: amount?.timespan,
    });
  }
  return readers;
}

/** A field is taken only where it is of the type that it should be. */
function slotOf(metadata: JfrMetadata, { kind, amount }: EventSource, field: JfrField): number | undefined {
  const type = metadata.byId.get(field.type)?.name;
  if (field.isArray) return undefined;
  if (field.isConstant) {
    if (field.name === 'stackTrace' && type === STACK_TRACE) return Slot.stack;
    return field.name === 'state' && type === THREAD_STATE ? Slot.state : undefined;
  }
  if (kind === 'setting') {
    return type === (field.name === 'id' ? 'long' : 'java.lang.String') ? SETTING.get(field.name) : undefined;
  }
  if (type !== 'long' && type !== 'int') return undefined;
  return field.name === amount ? Slot.amount : CORRELATION.get(field.name);
}
