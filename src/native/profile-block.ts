// SPDX-License-Identifier: Apache-2.0
import { DecodeError } from '../internal/wire-reader.ts';

/** Frame kinds of the block, by code; the names are the values of `profile.frame.type`. */
export const FRAME_TYPES: readonly string[] = [
  '',
  'native',
  'kernel',
  'go',
  'cpython',
  'v8js',
  'jvm',
  'abort-marker',
  'unknown',
];

/** Sample kinds of the block. */
export const SampleKind = { OnCpu: 0, OffCpu: 1, Probe: 2 } as const;

/** Kinds of published attributes; all values are text. */
export const AttributeKind = { String: 0, Int: 1, Double: 2, Bool: 3 } as const;

/** Columns of one interval; see docs/specs/profile-block.md. All are views of the block, no copies. */
export interface ProfileBlock {
  readonly windowStartNs: bigint;
  readonly windowEndNs: bigint;
  readonly strings: {
    readonly length: number;
    readonly bytes: Uint8Array;
    readonly start: Uint32Array;
    readonly end: Uint32Array;
  };
  readonly processes: {
    readonly length: number;
    readonly pid: Int32Array;
    readonly name: Int32Array;
    readonly path: Int32Array;
    readonly container: Int32Array;
    readonly envStart: Uint32Array;
    readonly envKey: Int32Array;
    readonly envValue: Int32Array;
    /** May be empty. */
    readonly cgroup: Int32Array;
    /** What processes publish of themselves; `start` may be empty. */
    readonly attributes: {
      readonly start: Uint32Array;
      readonly key: Int32Array;
      readonly value: Int32Array;
      /** One of AttributeKind. */
      readonly kind: Uint8Array;
    };
  };
  readonly mappings: {
    readonly length: number;
    readonly start: BigUint64Array;
    readonly limit: BigUint64Array;
    readonly offset: BigUint64Array;
    readonly file: Int32Array;
    readonly buildId: Int32Array;
    readonly goBuildId: Int32Array;
    readonly htlhash: Int32Array;
  };
  readonly functions: {
    readonly length: number;
    readonly name: Int32Array;
    readonly systemName: Int32Array;
    readonly file: Int32Array;
    readonly startLine: Uint32Array;
  };
  readonly locations: {
    readonly length: number;
    readonly mapping: Int32Array;
    readonly address: BigUint64Array;
    readonly frameType: Uint8Array;
    readonly lineStart: Uint32Array;
    readonly lineFunction: Int32Array;
    readonly lineLine: Uint32Array;
    readonly lineColumn: Uint32Array;
  };
  readonly stacks: { readonly length: number; readonly start: Uint32Array; readonly location: Int32Array };
  readonly samples: {
    readonly length: number;
    readonly process: Uint32Array;
    readonly kind: Uint8Array;
    readonly stack: Int32Array;
    readonly tid: Int32Array;
    readonly cpu: Int32Array;
    readonly comm: Int32Array;
    /** Bit 0: cut at the depth limit, bit 1: the walk stopped early. */
    readonly flags: Uint8Array;
    readonly timeStart: Uint32Array;
    readonly timeNs: BigUint64Array;
    readonly timeValue: BigInt64Array;
    /** Number of the probe, for samples of kind Probe; may be empty. */
    readonly probe: Uint32Array;
    /** Row of `labelSets`; may be empty. */
    readonly labels: Uint32Array;
    /** Row of `spans`; may be empty. */
    readonly span: Uint32Array;
  };
  /** What programs said of what they do (Go pprof labels); set 0 is empty. Keys and values are strings. */
  readonly labelSets: { readonly start: Uint32Array; readonly key: Int32Array; readonly value: Int32Array };
  /** Spans that threads worked for, SPAN_BYTES each: a trace id of 16 bytes, a span id of 8. Row 0 is all zeroes. */
  readonly spans: Uint8Array;
}

/** Bytes of a row of `spans`. */
export const SPAN_BYTES = 24;

const MAGIC = 0x4b42504f;
const VERSION = 1;
const FORMAT = 'profile block';

interface Section {
  readonly count: number;
  readonly offset: number;
  readonly length: number;
}

/** Reads the header and section table; every column asked for is checked against the buffer. */
class Sections {
  readonly #buffer: ArrayBuffer;
  readonly #sections = new Map<number, Section>();

  constructor(buffer: ArrayBuffer) {
    this.#buffer = buffer;
    const view = new DataView(buffer);
    if (buffer.byteLength < 32) throw new DecodeError(FORMAT, 0, 'shorter than its header');
    if (view.getUint32(0, true) !== MAGIC) throw new DecodeError(FORMAT, 0, 'wrong magic');
    const version = view.getUint32(4, true);
    if (version !== VERSION)
      throw new DecodeError(FORMAT, 4, `version ${version}, want ${VERSION}: rebuild the addon`);
    if (view.getUint32(8, true) !== buffer.byteLength) throw new DecodeError(FORMAT, 8, 'wrong size');
    const count = view.getUint32(12, true);
    if (32 + count * 16 > buffer.byteLength)
      throw new DecodeError(FORMAT, 12, `${count} sections do not fit`);
    for (let i = 0; i < count; i++) {
      const at = 32 + i * 16;
      const section = {
        count: view.getUint32(at + 4, true),
        offset: view.getUint32(at + 8, true),
        length: view.getUint32(at + 12, true),
      };
      if (section.offset + section.length > buffer.byteLength || section.offset % 8 !== 0) {
        throw new DecodeError(FORMAT, at, 'section lies outside the block');
      }
      this.#sections.set(view.getUint32(at, true), section);
    }
  }

  #section(id: number, elementBytes: number): Section {
    const section = this.#sections.get(id) ?? { count: 0, offset: 0, length: 0 };
    if (section.count * elementBytes !== section.length) {
      throw new DecodeError(
        FORMAT,
        section.offset,
        `section ${id}: ${section.count} elements do not make ${section.length} bytes`,
      );
    }
    return section;
  }

  i32(id: number): Int32Array {
    const s = this.#section(id, 4);
    return new Int32Array(this.#buffer, s.offset, s.count);
  }

  u32(id: number): Uint32Array {
    const s = this.#section(id, 4);
    return new Uint32Array(this.#buffer, s.offset, s.count);
  }

  u8(id: number): Uint8Array {
    const s = this.#section(id, 1);
    return new Uint8Array(this.#buffer, s.offset, s.count);
  }

  u64(id: number): BigUint64Array {
    const s = this.#section(id, 8);
    return new BigUint64Array(this.#buffer, s.offset, s.count);
  }

  i64(id: number): BigInt64Array {
    const s = this.#section(id, 8);
    return new BigInt64Array(this.#buffer, s.offset, s.count);
  }
}

/** Checks that prefix sums ascend and end at the length of what they index. */
function ranges(name: string, start: Uint32Array, rows: number, total: number): Uint32Array {
  if (start.length !== rows + 1 || start[rows] !== total) {
    throw new DecodeError(FORMAT, 0, `${name}: ranges do not cover ${total} elements in ${rows} rows`);
  }
  for (let i = 0; i < rows; i++) {
    if ((start[i] as number) > (start[i + 1] as number))
      throw new DecodeError(FORMAT, 0, `${name}: ranges descend at ${i}`);
  }
  return start;
}

/** Checks that every element is a row of a table of `rows` rows. */
function rowsOf<T extends Int32Array | Uint32Array>(
  name: string,
  column: T,
  rows: number,
  length = column.length,
): T {
  if (column.length !== length)
    throw new DecodeError(FORMAT, 0, `${name}: ${column.length} rows, want ${length}`);
  for (let i = 0; i < column.length; i++) {
    const row = column[i] as number;
    if (row < 0 || row >= rows)
      throw new DecodeError(FORMAT, 0, `${name}: row ${row} is out of range [0..${rows})`);
  }
  return column;
}

function sized<T extends { readonly length: number }>(name: string, column: T, length: number): T {
  if (column.length !== length)
    throw new DecodeError(FORMAT, 0, `${name}: ${column.length} rows, want ${length}`);
  return column;
}

/** Validates a block once, so that everything after may index freely. Throws DecodeError. */
export function readProfileBlock(buffer: ArrayBuffer): ProfileBlock {
  const s = new Sections(buffer);
  const header = new DataView(buffer);
  const offsets = s.u32(1);
  const bytes = s.u8(2);
  const strings = offsets.length - 1;
  ranges('strings', offsets, strings, bytes.length);
  const str = <T extends Int32Array>(name: string, column: T, length?: number): T =>
    rowsOf(name, column, strings, length);
  const pid = s.i32(10);
  const envKey = str('env_key', s.i32(15));
  const mappingStart = s.u64(20);
  const functionName = str('function_name', s.i32(30));
  const locationMapping = rowsOf('location_mapping', s.i32(40), mappingStart.length);
  const lineFunction = rowsOf('line_function', s.i32(44), functionName.length);
  const stackStart = s.u32(50);
  const stackLocation = rowsOf('stack_location', s.i32(51), locationMapping.length);
  const labelSets = readLabelSets(s, strings);
  const spans = readSpans(s);
  const rows = {
    processes: pid.length,
    stacks: stackStart.length - 1,
    strings,
    labelSets: labelSets.start.length - 1,
    spans: spans.length / SPAN_BYTES,
  };
  return {
    windowStartNs: header.getBigUint64(16, true),
    windowEndNs: header.getBigUint64(24, true),
    strings: { length: strings, bytes, start: offsets.subarray(0, strings), end: offsets.subarray(1) },
    processes: {
      length: pid.length,
      pid,
      name: str('process_name', s.i32(11), pid.length),
      path: str('process_path', s.i32(12), pid.length),
      container: str('process_container', s.i32(13), pid.length),
      envStart: ranges('process_env', s.u32(14), pid.length, envKey.length),
      envKey,
      envValue: str('env_value', s.i32(16), envKey.length),
      cgroup: str('process_cgroup', s.i32(18)),
      attributes: readAttributes(s, pid.length, strings),
    },
    mappings: {
      length: mappingStart.length,
      start: mappingStart,
      limit: sized('mapping_limit', s.u64(21), mappingStart.length),
      offset: sized('mapping_offset', s.u64(22), mappingStart.length),
      file: str('mapping_file', s.i32(23), mappingStart.length),
      buildId: str('mapping_build_id', s.i32(24), mappingStart.length),
      goBuildId: str('mapping_go_build_id', s.i32(25), mappingStart.length),
      htlhash: str('mapping_htlhash', s.i32(26), mappingStart.length),
    },
    functions: {
      length: functionName.length,
      name: functionName,
      systemName: str('function_system_name', s.i32(31), functionName.length),
      file: str('function_file', s.i32(32), functionName.length),
      startLine: sized('function_start_line', s.u32(33), functionName.length),
    },
    locations: {
      length: locationMapping.length,
      mapping: locationMapping,
      address: sized('location_address', s.u64(41), locationMapping.length),
      frameType: sized('location_frame_type', s.u8(42), locationMapping.length),
      lineStart: ranges('location_lines', s.u32(43), locationMapping.length, lineFunction.length),
      lineFunction,
      lineLine: sized('line_line', s.u32(45), lineFunction.length),
      lineColumn: sized('line_column', s.u32(46), lineFunction.length),
    },
    stacks: {
      length: Math.max(stackStart.length - 1, 0),
      start: ranges('stacks', stackStart, stackStart.length - 1, stackLocation.length),
      location: stackLocation,
    },
    samples: readSamples(s, rows),
    spans,
    labelSets,
  };
}

function readAttributes(
  s: Sections,
  processes: number,
  strings: number,
): ProfileBlock['processes']['attributes'] {
  const key = rowsOf('attribute_key', s.i32(81), strings);
  const start = s.u32(80);
  return {
    start: start.length === 0 ? start : ranges('process_attributes', start, processes, key.length),
    key,
    value: rowsOf('attribute_value', s.i32(82), strings, key.length),
    kind: sized('attribute_kind', s.u8(83), key.length),
  };
}

function readLabelSets(s: Sections, strings: number): ProfileBlock['labelSets'] {
  const start = s.u32(72);
  const key = rowsOf('label_key', s.i32(73), strings);
  return {
    start: ranges(
      'labels',
      start.length > 0 ? start : new Uint32Array(1),
      Math.max(start.length - 1, 0),
      key.length,
    ),
    key,
    value: rowsOf('label_value', s.i32(74), strings, key.length),
  };
}

function readSpans(s: Sections): Uint8Array {
  const spans = s.u8(76);
  if (spans.length % SPAN_BYTES !== 0) throw new DecodeError(FORMAT, 0, 'span_contexts: a row is cut');
  return spans;
}

function readSamples(
  s: Sections,
  rows: Readonly<Record<'processes' | 'stacks' | 'strings' | 'labelSets' | 'spans', number>>,
): ProfileBlock['samples'] {
  const process = rowsOf('sample_process', s.u32(60), rows.processes);
  const n = process.length;
  const timeNs = s.u64(68);
  const timeValue = s.i64(69);
  if (timeValue.length !== 0 && timeValue.length !== timeNs.length)
    throw new DecodeError(FORMAT, 0, 'time_value: wrong length');
  return {
    length: n,
    process,
    kind: sized('sample_kind', s.u8(61), n),
    stack: rowsOf('sample_stack', s.i32(62), rows.stacks, n),
    tid: sized('sample_tid', s.i32(63), n),
    cpu: sized('sample_cpu', s.i32(64), n),
    comm: rowsOf('sample_comm', s.i32(65), rows.strings, n),
    flags: sized('sample_flags', s.u8(66), n),
    timeStart: ranges('sample_times', s.u32(67), n, timeNs.length),
    timeNs,
    timeValue,
    probe: s.u32(70),
    labels: rowsOf('sample_labels', s.u32(71), rows.labelSets),
    span: rowsOf('sample_span', s.u32(75), rows.spans),
  };
}
