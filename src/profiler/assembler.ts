// SPDX-License-Identifier: Apache-2.0
import {
  AttributeKind,
  FRAME_TYPES,
  type ProfileBlock,
  SampleKind,
  SPAN_BYTES,
} from '../native/profile-block.ts';
import {
  boolValue,
  encodeAnyValue,
  intValue,
  stringValue,
  valueToText,
  type AnyValue,
  type KeyValue,
} from '../pdata/any-value.ts';
import { ByteColumn, Int32Column } from '../pdata/columns.ts';
import { Dictionary } from '../pdata/dictionary.ts';
import {
  FRACTION_ATTRIBUTE,
  profile,
  ProfilesBatch,
  resource,
  type Profile,
  type ResourceProfiles,
  type Scope,
} from '../pdata/profiles-batch.ts';
import {
  emptyLists,
  type AttributeTable,
  type IndexLists,
  type LinkTable,
  type Samples,
  type StringTable,
} from '../pdata/tables.ts';
import { identityAttributes } from './process-identity.ts';

/** Marks a sample with frames missing for the depth of its stack. */
export const TRUNCATED_ATTRIBUTE = 'otelcol.profiles.stack.truncated';
/** More than there are kinds: kind and probe number make one key. */
const PROBE_STRIDE = 16;
const TRACE_ID_BYTES = 16;
const SCHEMA_URL = 'https://opentelemetry.io/schemas/1.37.0';

/** Of a sample: a label that the program set for what it does, behind this prefix its key. */
export const LABEL_ATTRIBUTE_PREFIX = 'process.context.label.';
/** Which probe the events of a profile are of. */
export const PROBE_ATTRIBUTE = 'otelcol.profiles.probe.name';

export interface AssemblerOptions {
  readonly samplesPerSecond: number;
  readonly scope: Scope;
  /** Environment variables to show; others in the block only tell who a process is. */
  readonly shownVariables: ReadonlySet<string>;
  /** Probabilities, 0 to 1, with which on-CPU time and context switches were sampled. */
  readonly onCpuFraction: number;
  readonly offCpuFraction: number;
  /** Names of the probes, by number. */
  readonly probes: readonly string[];
  /** One resource for all processes that differ in nothing but their pid. */
  readonly mergeProcesses: boolean;
}

/**
 * Turns a block of the native profiler into a batch, in the shape of the OpenTelemetry eBPF profiler:
 * one resource a process (or, merged, a service), one profile a sample kind, stacks leaf first and kernel before user,
 * timestamps instead of values for on-CPU samples. The block's tables become the dictionary as they
 * are; only the strings are compacted to those that are referenced. Undefined where there is no sample.
 */
export function assembleBatch(block: ProfileBlock, options: AssemblerOptions): ProfilesBatch | undefined {
  if (block.samples.length === 0) return undefined;
  return new Assembler(block, options).assemble();
}

class Assembler {
  readonly #block: ProfileBlock;
  readonly #options: AssemblerOptions;
  readonly #strings: StringColumns;
  readonly #attributes: AttributeColumns;
  readonly #threadName = new Map<number, number>();
  readonly #threadId = new Map<number, number>();
  readonly #cpu = new Map<number, number>();
  readonly #labels = new Map<number, readonly number[]>();

  constructor(block: ProfileBlock, options: AssemblerOptions) {
    this.#block = block;
    this.#options = options;
    this.#strings = new StringColumns(block.strings);
    this.#attributes = new AttributeColumns(this.#strings);
  }

  assemble(): ProfilesBatch {
    const resources = this.#groups().map((group) => this.#resource(group));
    const { functions, mappings, locations, stacks } = this.#block;
    const used = (column: Int32Array): Int32Array => column.map((row) => this.#strings.row(row));
    const dictionary = new Dictionary({
      functions: {
        length: functions.length,
        name: used(functions.name),
        systemName: used(functions.systemName),
        filename: used(functions.file),
        startLine: widened(functions.startLine),
      },
      mappings: {
        length: mappings.length,
        memoryStart: mappings.start,
        memoryLimit: mappings.limit,
        fileOffset: mappings.offset,
        filename: used(mappings.file),
        attributes: this.#mappingAttributes(),
      },
      locations: {
        length: locations.length,
        mapping: locations.mapping,
        address: locations.address,
        attributes: this.#locationAttributes(),
        lineStart: locations.lineStart,
        lineFunction: locations.lineFunction,
        lineLine: widened(locations.lineLine),
        lineColumn: widened(locations.lineColumn),
      },
      stacks: { length: stacks.length, locations: { start: stacks.start, values: stacks.location } },
      links: this.#links(),
      attributes: this.#attributes.finish(),
      strings: this.#strings.finish(),
    });
    return new ProfilesBatch(dictionary, resources);
  }

  /** The spans as they are: row 0 is the null link of both. */
  #links(): LinkTable {
    const { spans } = this.#block;
    const length = Math.max(spans.length / SPAN_BYTES, 1);
    const traceIds = new Uint8Array(length * TRACE_ID_BYTES);
    const spanIds = new Uint8Array(length * (SPAN_BYTES - TRACE_ID_BYTES));
    for (let i = 0, at = 0; at < spans.length; i++, at += SPAN_BYTES) {
      traceIds.set(spans.subarray(at, at + TRACE_ID_BYTES), i * TRACE_ID_BYTES);
      spanIds.set(spans.subarray(at + TRACE_ID_BYTES, at + SPAN_BYTES), i * (SPAN_BYTES - TRACE_ID_BYTES));
    }
    return { length, traceIds, spanIds };
  }

  /** Sample rows by process (the first one of those that are merged) and kind, in order of first appearance. */
  #groups(): { process: number; kinds: Map<number, number[]> }[] {
    const groups = new Map<number, Map<number, number[]>>();
    const { samples, processes } = this.#block;
    const firstOf = new Map<string, number>();
    const merged = Array.from({ length: processes.length }, (_, p) => {
      if (!this.#options.mergeProcesses) return p;
      const identity = this.#processAttributes(p)
        .map(({ key, value }) => `${key}\u0000${value.kind}\u0000${valueToText(value)}`)
        .join('\u0001');
      const first = firstOf.get(identity) ?? p;
      firstOf.set(identity, first);
      return first;
    });
    for (let i = 0; i < samples.length; i++) {
      const process = merged[samples.process[i] ?? 0] ?? 0;
      // A probe is a profile of its own.
      const kind = (samples.kind[i] ?? 0) + PROBE_STRIDE * (samples.probe[i] ?? 0);
      const kinds = groups.get(process) ?? new Map<number, number[]>();
      groups.set(process, kinds);
      const rows = kinds.get(kind);
      if (rows === undefined) kinds.set(kind, [i]);
      else rows.push(i);
    }
    return [...groups].map(([process, kinds]) => ({ process, kinds }));
  }

  #processAttributes(p: number): KeyValue[] {
    const { processes } = this.#block;
    const attributes: KeyValue[] = [];
    const text = (key: string, row: number): void => {
      const value = this.#strings.text(row);
      if (value !== '') attributes.push({ key, value: stringValue(value) });
    };
    text('container.id', processes.container[p] ?? 0);
    text('process.executable.path', processes.path[p] ?? 0);
    text('process.executable.name', processes.name[p] ?? 0);
    if (this.#options.mergeProcesses) text('process.linux.cgroup', processes.cgroup[p] ?? 0);
    else attributes.push({ key: 'process.pid', value: intValue(processes.pid[p] ?? 0) });
    const environment = new Map<string, string>();
    for (let i = processes.envStart[p] ?? 0; i < (processes.envStart[p + 1] ?? 0); i++) {
      const key = this.#strings.text(processes.envKey[i] ?? 0);
      environment.set(key, this.#strings.text(processes.envValue[i] ?? 0));
      if (this.#options.shownVariables.has(key)) {
        text(`process.environment_variable.${key}`, processes.envValue[i] ?? 0);
      }
    }
    attributes.push(...identityAttributes(environment, this.#published(p)));
    return attributes;
  }

  /** What a process says of itself in its process context. */
  #published(p: number): KeyValue[] {
    const { start, key, value, kind } = this.#block.processes.attributes;
    const found: KeyValue[] = [];
    for (let i = start[p] ?? 0; i < (start[p + 1] ?? 0); i++) {
      const text = this.#strings.text(value[i] ?? 0);
      found.push({ key: this.#strings.text(key[i] ?? 0), value: publishedValue(kind[i] ?? 0, text) });
    }
    return found;
  }

  #resource(group: { process: number; kinds: Map<number, number[]> }): ResourceProfiles {
    const profiles = [...group.kinds].map(([kind, rows]) => this.#profile(kind, rows));
    return {
      resource: resource(this.#processAttributes(group.process)),
      schemaUrl: SCHEMA_URL,
      scopes: [{ scope: this.#options.scope, schemaUrl: SCHEMA_URL, profiles }],
    };
  }

  #profile(group: number, rows: readonly number[]): Profile {
    const kind = group % PROBE_STRIDE;
    const type = (name: string, unit: string): { type: number; unit: number } => ({
      type: this.#strings.intern(name),
      unit: this.#strings.intern(unit),
    });
    const samples = this.#samples(rows);
    let start = this.#block.windowStartNs;
    let end = this.#block.windowEndNs;
    for (const time of samples.timestamps) {
      if (time < start) start = time;
      if (time >= end) end = time + 1n;
    }
    const attributes = this.#profileAttributes(kind, Math.floor(group / PROBE_STRIDE));
    const common = { samples, timeUnixNano: start, durationNano: end - start, attributes };
    if (kind === SampleKind.OffCpu) return profile({ ...common, sampleType: type('off_cpu', 'nanoseconds') });
    if (kind === SampleKind.Probe) return profile({ ...common, sampleType: type('events', 'count') });
    return profile({
      ...common,
      sampleType: type('samples', 'count'),
      periodType: type('cpu', 'nanoseconds'),
      period: BigInt(Math.floor(1e9 / this.#options.samplesPerSecond)),
    });
  }

  #profileAttributes(kind: number, probe: number): Int32Array {
    const { onCpuFraction, offCpuFraction, probes } = this.#options;
    const name = kind === SampleKind.Probe ? probes[probe] : undefined;
    if (name !== undefined) return Int32Array.of(this.#attributes.row(PROBE_ATTRIBUTE, stringValue(name)));
    const fraction =
      kind === SampleKind.OnCpu ? onCpuFraction : kind === SampleKind.OffCpu ? offCpuFraction : 1;
    if (fraction >= 1) return new Int32Array(0);
    return Int32Array.of(this.#attributes.row(FRACTION_ATTRIBUTE, { kind: 'double', value: fraction }));
  }

  #samples(rows: readonly number[]): Samples {
    const { samples } = this.#block;
    const stack = new Int32Array(rows.length);
    const attributeStart = new Uint32Array(rows.length + 1);
    const attributes = new Int32Column(rows.length * 3);
    const timestampStart = new Uint32Array(rows.length + 1);
    let events = 0;
    for (const row of rows) events += (samples.timeStart[row + 1] ?? 0) - (samples.timeStart[row] ?? 0);
    const timestamps = new BigUint64Array(events);
    const hasValues = samples.timeValue.length > 0 && samples.kind[rows[0] ?? 0] === SampleKind.OffCpu;
    const values = new BigInt64Array(hasValues ? events : 0);
    let at = 0;
    rows.forEach((row, i) => {
      stack[i] = samples.stack[row] ?? 0;
      attributes.push(this.#commRow(samples.comm[row] ?? 0));
      attributes.push(this.#intRow(this.#threadId, 'thread.id', samples.tid[row] ?? 0));
      attributes.push(this.#intRow(this.#cpu, 'cpu.logical_number', samples.cpu[row] ?? 0));
      if ((samples.flags[row] ?? 0) !== 0) {
        attributes.push(this.#attributes.row(TRUNCATED_ATTRIBUTE, boolValue(true)));
      }
      for (const label of this.#labelRows(samples.labels[row] ?? 0)) attributes.push(label);
      attributeStart[i + 1] = attributes.length;
      const from = samples.timeStart[row] ?? 0;
      const to = samples.timeStart[row + 1] ?? 0;
      timestamps.set(samples.timeNs.subarray(from, to), at);
      if (hasValues) values.set(samples.timeValue.subarray(from, to), at);
      at += to - from;
      timestampStart[i + 1] = at;
    });
    return {
      length: rows.length,
      stack,
      link: Int32Array.from(rows, (row) => samples.span[row] ?? 0),
      attributes: { start: attributeStart, values: attributes.finish() },
      valueStart: hasValues ? timestampStart : new Uint32Array(rows.length + 1),
      values,
      timestampStart,
      timestamps,
    };
  }

  /** Attribute rows of a label set. */
  #labelRows(set: number): readonly number[] {
    if (set === 0) return [];
    let rows = this.#labels.get(set);
    if (rows === undefined) {
      const { start, key, value } = this.#block.labelSets;
      const made = new Map<string, number>();
      for (let i = start[set] ?? 0; i < (start[set + 1] ?? 0); i++) {
        const name = `${LABEL_ATTRIBUTE_PREFIX}${this.#strings.text(key[i] ?? 0)}`;
        made.set(name, this.#attributes.row(name, stringValue(this.#strings.text(value[i] ?? 0))));
      }
      rows = [...made.values()];
      this.#labels.set(set, rows);
    }
    return rows;
  }

  #commRow(comm: number): number {
    return remembered(this.#threadName, comm, () =>
      this.#attributes.row('thread.name', stringValue(this.#strings.text(comm))),
    );
  }

  #intRow(rows: Map<number, number>, key: string, value: number): number {
    return remembered(rows, value, () => this.#attributes.row(key, intValue(value)));
  }

  #mappingAttributes(): IndexLists {
    const { mappings } = this.#block;
    const start = new Uint32Array(mappings.length + 1);
    const values = new Int32Column();
    for (let i = 0; i < mappings.length; i++) {
      const add = (key: string, row: number): void => {
        const text = this.#strings.text(row);
        if (text !== '') values.push(this.#attributes.row(key, stringValue(text)));
      };
      add('process.executable.build_id.gnu', mappings.buildId[i] ?? 0);
      add('process.executable.build_id.go', mappings.goBuildId[i] ?? 0);
      add('process.executable.build_id.htlhash', mappings.htlhash[i] ?? 0);
      start[i + 1] = values.length;
    }
    return { start, values: values.finish() };
  }

  #locationAttributes(): IndexLists {
    const { locations } = this.#block;
    const lists = emptyLists(locations.length);
    const values = new Int32Column(locations.length);
    const rowOfType = FRAME_TYPES.map(() => 0);
    for (let i = 0; i < locations.length; i++) {
      const code = locations.frameType[i] ?? 0;
      const type = FRAME_TYPES[code];
      if (type !== undefined && type !== '') {
        rowOfType[code] ||= this.#attributes.row('profile.frame.type', stringValue(type));
        values.push(rowOfType[code] ?? 0);
      }
      lists.start[i + 1] = values.length;
    }
    return { start: lists.start, values: values.finish() };
  }
}

function publishedValue(kind: number, text: string): AnyValue {
  if (kind === AttributeKind.Int) return intValue(BigInt(text));
  if (kind === AttributeKind.Double) return { kind: 'double', value: Number(text) };
  if (kind === AttributeKind.Bool) return boolValue(text === 'true');
  return stringValue(text);
}

function remembered(rows: Map<number, number>, key: number, make: () => number): number {
  let row = rows.get(key);
  if (row === undefined) {
    row = make();
    rows.set(key, row);
  }
  return row;
}

function widened(column: Uint32Array): BigInt64Array {
  const out = new BigInt64Array(column.length);
  for (let i = 0; i < column.length; i++) out[i] = BigInt(column[i] ?? 0);
  return out;
}

const utf8 = new TextDecoder('utf-8', { ignoreBOM: true });

/** A string table that takes over the rows of the block that are asked for, and new texts. */
class StringColumns {
  readonly #source: ProfileBlock['strings'];
  readonly #rows: Int32Array;
  readonly #texts: (string | undefined)[] = [];
  readonly #interned = new Map<string, number>();
  readonly #bytes = new ByteColumn(8192);
  readonly #end = new Int32Column(256);

  constructor(source: ProfileBlock['strings']) {
    this.#source = source;
    this.#rows = new Int32Array(source.length).fill(-1);
    this.intern('');
  }

  /** Text of a row of the block. */
  text(row: number): string {
    const known = this.#texts[row];
    if (known !== undefined) return known;
    const text = utf8.decode(this.#source.bytes.subarray(this.#source.start[row], this.#source.end[row]));
    this.#texts[row] = text;
    return text;
  }

  /** Row of the new table for a row of the block. */
  row(row: number): number {
    const known = this.#rows[row] ?? 0;
    if (known >= 0) return known;
    const made = this.intern(this.text(row));
    this.#rows[row] = made;
    return made;
  }

  intern(text: string): number {
    let row = this.#interned.get(text);
    if (row === undefined) {
      this.#bytes.push(Buffer.from(text, 'utf8'));
      this.#end.push(this.#bytes.length);
      row = this.#end.length - 1;
      this.#interned.set(text, row);
    }
    return row;
  }

  finish(): StringTable {
    const end = this.#end.finishUnsigned();
    const start = new Uint32Array(end.length);
    start.set(end.subarray(0, end.length - 1), 1);
    return { length: end.length, bytes: this.#bytes.finish(), start, end };
  }
}

/** An attribute table without duplicates; row 0 is the zero row. */
class AttributeColumns {
  readonly #strings: StringColumns;
  readonly #rows = new Map<string, number>();
  readonly #key = new Int32Column();
  readonly #bytes = new ByteColumn();
  readonly #end = new Int32Column();

  constructor(strings: StringColumns) {
    this.#strings = strings;
    this.row('', { kind: 'empty' });
  }

  row(key: string, value: AnyValue): number {
    const text = `${key}\u0000${value.kind}\u0000${valueToText(value)}`;
    const known = this.#rows.get(text);
    if (known !== undefined) return known;
    this.#key.push(this.#strings.intern(key));
    this.#bytes.push(encodeAnyValue(value));
    this.#end.push(this.#bytes.length);
    const row = this.#end.length - 1;
    this.#rows.set(text, row);
    return row;
  }

  finish(): AttributeTable {
    const end = this.#end.finishUnsigned();
    const start = new Uint32Array(end.length);
    start.set(end.subarray(0, end.length - 1), 1);
    return {
      length: end.length,
      key: this.#key.finish(),
      unit: new Int32Array(end.length),
      bytes: this.#bytes.finish(),
      start,
      end,
    };
  }
}
