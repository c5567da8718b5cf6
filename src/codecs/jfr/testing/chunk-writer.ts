// SPDX-License-Identifier: Apache-2.0
import { StringEncoding } from '../cursor.ts';

/** Bytes of a recording, written as the JDK and async-profiler do. */
export class JfrBytes {
  readonly #compressed: boolean;
  readonly #stringEncoding: number;
  #data = new Uint8Array(64);
  length = 0;

  constructor(compressed = true, stringEncoding: number = StringEncoding.Utf8) {
    this.#compressed = compressed;
    this.#stringEncoding = stringEncoding;
  }

  bytes(): Uint8Array {
    return this.#data.slice(0, this.length);
  }

  append(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#data.set(bytes, this.length);
    this.length += bytes.length;
  }

  byte(value: number): void {
    this.#reserve(1);
    this.#data[this.length++] = value;
  }

  /** A 64-bit value; signed ones in two's complement. */
  long(value: bigint | number): void {
    this.integer(value, 8);
  }

  int(value: number): void {
    this.integer(value >>> 0, 4);
  }

  integer(value: bigint | number, width: number): void {
    if (!this.#compressed) {
      for (let i = width - 1; i >= 0; i--) this.byte(Number((BigInt(value) >> BigInt(i * 8)) & 0xffn));
      return;
    }
    if (typeof value === 'number' && value >= 0 && value < 0x8000_0000) {
      let rest = value;
      for (; rest > 0x7f; rest >>>= 7) this.byte((rest & 0x7f) | 0x80);
      this.byte(rest);
      return;
    }
    let rest = BigInt.asUintN(64, BigInt(value));
    for (let i = 0; i < 8 && rest > 0x7fn; i++, rest >>= 7n) this.byte(Number(rest & 0x7fn) | 0x80);
    this.byte(Number(rest));
  }

  string(text: string | null | { readonly constant: bigint | number }): void {
    if (text === null) this.byte(StringEncoding.Null);
    else if (typeof text === 'object') {
      this.byte(StringEncoding.Constant);
      this.long(text.constant);
    } else if (text === '') this.byte(StringEncoding.Empty);
    else this.#text(text, this.#stringEncoding);
  }

  #text(text: string, encoding: number): void {
    this.byte(encoding);
    if (encoding === StringEncoding.Chars) {
      this.int(text.length);
      for (let i = 0; i < text.length; i++) this.integer(text.charCodeAt(i), 2);
      return;
    }
    const bytes = Buffer.from(text, encoding === StringEncoding.Latin1 ? 'latin1' : 'utf8');
    this.int(bytes.length);
    this.append(bytes);
  }

  #reserve(n: number): void {
    if (this.length + n <= this.#data.length) return;
    const grown = new Uint8Array(Math.max(this.length + n, this.#data.length * 2));
    grown.set(this.#data.subarray(0, this.length));
    this.#data = grown;
  }
}

/** A field as the metadata tells it. `type` is the name of its class. */
export interface FieldSpec {
  readonly name: string;
  readonly type: string;
  readonly constant?: boolean;
  readonly array?: boolean;
  readonly timespan?: string;
}

/** A class and its fields. */
export interface ClassSpec {
  readonly name: string;
  readonly fields: readonly FieldSpec[];
  /** Type id in the file, where it matters. */
  readonly id?: number | bigint;
}

/** What a field can hold: structures by the names of their fields, arrays, everything else as it is. */
export type JfrValue =
  | number
  | bigint
  | string
  | boolean
  | null
  | readonly JfrValue[]
  | { readonly [field: string]: JfrValue };

/** Constants by class: keys and values. */
export type PoolSpec = readonly (readonly [
  cls: string,
  entries: readonly (readonly [bigint | number, JfrValue])[],
])[];

/** One chunk. */
export interface ChunkSpec {
  readonly classes: readonly ClassSpec[];
  /** Checkpoint events; each holds pools. */
  readonly checkpoints: readonly PoolSpec[];
  readonly events: readonly (readonly [cls: string, value: JfrValue])[];
  readonly startNanos?: bigint;
  readonly durationNanos?: bigint;
  readonly ticksPerSecond?: bigint;
  readonly compressed?: boolean;
  readonly stringEncoding?: number;
  readonly version?: readonly [major: number, minor: number];
  /** Metadata and checkpoints in front of the events, as none does, instead of behind them. */
  readonly constantsFirst?: boolean;
  /** Size 0, and no place of the metadata, as while it is written. */
  readonly incomplete?: boolean;
}

const PRIMITIVES = ['boolean', 'char', 'float', 'double', 'byte', 'short', 'int', 'long', 'java.lang.String'];
const WIDTHS: Readonly<Record<string, number>> = { char: 2, short: 2, int: 4, long: 8 };
const HEADER = 68;

/** A chunk as bytes. */
export function writeChunk(spec: ChunkSpec): Uint8Array {
  return new ChunkWriter(spec).write();
}

class ChunkWriter {
  readonly #spec: ChunkSpec;
  readonly #classes: readonly ClassSpec[];
  readonly #byName: ReadonlyMap<string, ClassSpec>;
  readonly #ids: ReadonlyMap<string, number | bigint>;

  constructor(spec: ChunkSpec) {
    this.#spec = spec;
    this.#classes = [...PRIMITIVES.map((name) => ({ name, fields: [] })), ...spec.classes];
    this.#byName = new Map(this.#classes.map((cls) => [cls.name, cls]));
    this.#ids = new Map(
      this.#classes.map((cls, i) => [cls.name, ('id' in cls ? cls.id : undefined) ?? i + 20]),
    );
  }

  write(): Uint8Array {
    const spec = this.#spec;
    const events = spec.events.map(([cls, value]) => this.#event(cls, value));
    const checkpoints = spec.checkpoints.map((pools) => this.#checkpoint(pools));
    const metadata = this.#metadata();
    const parts = spec.constantsFirst
      ? [metadata, ...checkpoints, ...events]
      : [...events, ...checkpoints, metadata];
    const metadataAt = HEADER + parts.slice(0, parts.indexOf(metadata)).reduce((sum, p) => sum + p.length, 0);
    const size = HEADER + parts.reduce((sum, part) => sum + part.length, 0);
    const header = Buffer.alloc(HEADER);
    const [major, minor] = spec.version ?? [2, 1];
    header.write('FLR\0', 0, 'latin1');
    header.writeUInt16BE(major, 4);
    header.writeUInt16BE(minor, 6);
    header.writeBigUInt64BE(spec.incomplete ? 0n : BigInt(size), 8);
    header.writeBigUInt64BE(spec.incomplete ? 0n : BigInt(metadataAt), 24);
    header.writeBigUInt64BE(spec.startNanos ?? 1_700_000_000_000_000_000n, 32);
    header.writeBigUInt64BE(spec.durationNanos ?? 10_000_000_000n, 40);
    header.writeBigUInt64BE(spec.ticksPerSecond ?? 1_000_000_000n, 56);
    header.writeUInt32BE(spec.compressed === false ? 0 : 1, 64);
    return Buffer.concat([header, ...parts]);
  }

  #bytes(): JfrBytes {
    return new JfrBytes(this.#spec.compressed, this.#spec.stringEncoding);
  }

  #id(cls: string): number | bigint {
    return this.#ids.get(cls) ?? 9_999;
  }

  /** Size and type in front of the content. */
  #framed(type: number | bigint, content: Uint8Array): Uint8Array {
    const head = this.#bytes();
    head.long(type);
    const length = head.length + content.length;
    let sized = this.#bytes();
    for (let size = length + 1; ; size++) {
      sized = this.#bytes();
      sized.long(size);
      if (sized.length + length === size) break;
    }
    sized.append(head.bytes());
    sized.append(content);
    return sized.bytes();
  }

  #event(cls: string, value: JfrValue): Uint8Array {
    const out = this.#bytes();
    this.#value(out, { name: '', type: cls }, value);
    return this.#framed(this.#id(cls), out.bytes());
  }

  #checkpoint(pools: PoolSpec): Uint8Array {
    const out = this.#bytes();
    for (const value of [0, 0, 0]) out.long(value);
    out.byte(0);
    out.int(pools.length);
    for (const [cls, entries] of pools) {
      out.long(this.#id(cls));
      out.int(entries.length);
      for (const [key, value] of entries) {
        out.long(key);
        this.#value(out, { name: '', type: cls }, value);
      }
    }
    return this.#framed(1, out.bytes());
  }

  #value(out: JfrBytes, field: FieldSpec, value: JfrValue | undefined): void {
    if (field.array) {
      const list = Array.isArray(value) ? (value as readonly JfrValue[]) : [];
      out.int(list.length);
      for (const one of list) this.#value(out, { ...field, array: false }, one);
    } else if (field.constant) out.long(numberOf(value));
    else if (field.type === 'java.lang.String') out.string(stringOf(value));
    else if (Object.hasOwn(WIDTHS, field.type)) out.integer(numberOf(value), WIDTHS[field.type] ?? 8);
    else if (field.type === 'boolean' || field.type === 'byte') out.byte(Number(value ?? 0));
    else if (field.type === 'float') out.append(new Uint8Array(4));
    else if (field.type === 'double') out.append(new Uint8Array(8));
    else {
      const members = (value ?? {}) as { readonly [field: string]: JfrValue };
      for (const inner of this.#byName.get(field.type)?.fields ?? [])
        this.#value(out, inner, members[inner.name]);
    }
  }

  #metadata(): Uint8Array {
    const strings = new Map<string, number>();
    const index = (text: string): number => {
      const known = strings.get(text);
      if (known !== undefined) return known;
      strings.set(text, strings.size);
      return strings.size - 1;
    };
    const tree = this.#bytes();
    const element = (
      name: string,
      attributes: Readonly<Record<string, string>>,
      children: (() => void)[],
    ): void => {
      tree.int(index(name));
      const entries = Object.entries(attributes);
      tree.int(entries.length);
      for (const [key, value] of entries) {
        tree.int(index(key));
        tree.int(index(value));
      }
      tree.int(children.length);
      for (const child of children) child();
    };
    const timespan =
      (value: string): (() => void) =>
      () =>
        element('annotation', { class: String(this.#id('jdk.jfr.Timespan')), value }, []);
    const field =
      (f: FieldSpec): (() => void) =>
      () =>
        element(
          'field',
          {
            name: f.name,
            class: String(this.#id(f.type)),
            ...(f.constant ? { constantPool: 'true' } : {}),
            ...(f.array ? { dimension: '1' } : {}),
          },
          f.timespan === undefined ? [] : [timespan(f.timespan)],
        );
    const classes = this.#classes.map((cls) => () => {
      element('class', { name: cls.name, id: String(this.#id(cls.name)) }, cls.fields.map(field));
    });
    element('root', {}, [
      () => element('metadata', {}, classes),
      () => element('region', { locale: 'en_US', gmtOffset: '0' }, []),
    ]);
    const out = this.#bytes();
    for (const value of [0, 0, 1]) out.long(value);
    out.int(strings.size);
    for (const text of strings.keys()) out.string(text);
    out.append(tree.bytes());
    return this.#framed(0, out.bytes());
  }
}

const numberOf = (value: JfrValue | undefined): number | bigint =>
  typeof value === 'bigint' ? value : Number(value ?? 0);

function stringOf(value: JfrValue | undefined): string | null | { readonly constant: bigint | number } {
  if (typeof value === 'string' || value === null) return value;
  if (typeof value === 'object' && 'constant' in value) return { constant: numberOf(value['constant']) };
  return null;
}
