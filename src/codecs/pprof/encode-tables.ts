// SPDX-License-Identifier: Apache-2.0
import { valueToText } from '../../pdata/any-value.ts';
import type { Dictionary } from '../../pdata/dictionary.ts';
import { namelessLocation } from '../../pdata/folded.ts';
import { halvesOf } from '../../pdata/table-rows.ts';
import { MappingWriter } from './encode-mappings.ts';
import type { StringIds } from './encode-strings.ts';
import type { PprofLosses } from './losses.ts';
import { PPROF } from './names.ts';
import { RowIds } from './row-ids.ts';
import type { Writer } from './writer.ts';

/** The columns that writing reads, looked up once. */
function columnsOf({ tables: { stacks, locations: l, functions: f } }: Dictionary) {
  return {
    stacks: stacks.locations,
    mapping: l.mapping,
    address: halvesOf(l.address),
    attributes: l.attributes,
    lineStart: l.lineStart,
    lineFunction: l.lineFunction,
    line: halvesOf(l.lineLine),
    column: halvesOf(l.lineColumn),
    name: f.name,
    systemName: f.systemName,
    filename: f.filename,
    startLine: halvesOf(f.startLine),
  };
}

/**
 * Locations, functions and mappings of one file: the rows of a dictionary that its samples reference, under
 * pprof's own ids. Write the samples first (`locationIds`), then `write`.
 */
export class TableWriter {
  readonly #dictionary: Dictionary;
  readonly #strings: StringIds;
  readonly #synthesizeNames: boolean;
  readonly #losses: PprofLosses;
  readonly #columns: ReturnType<typeof columnsOf>;
  readonly #locations: RowIds;
  readonly #functions: RowIds;
  readonly #mappings: MappingWriter;
  /** Functions that the dictionary does not have, by name; their ids follow those of the rows. */
  readonly #madeUp = new Map<string, number>();

  constructor(dictionary: Dictionary, strings: StringIds, synthesizeNames: boolean, losses: PprofLosses) {
    this.#dictionary = dictionary;
    this.#strings = strings;
    this.#synthesizeNames = synthesizeNames;
    this.#losses = losses;
    this.#columns = columnsOf(dictionary);
    this.#locations = new RowIds(dictionary.tables.locations.length);
    this.#functions = new RowIds(dictionary.tables.functions.length);
    this.#mappings = new MappingWriter(dictionary, strings, losses);
  }

  /** Takes every row of the dictionary, in its order, whether a sample references it or not. */
  addAll(): void {
    const { mappings, functions, locations } = this.#dictionary.tables;
    for (let row = 1; row < mappings.length; row++) this.#mappings.add(row);
    for (let row = 1; row < functions.length; row++) this.#functions.add(row);
    for (let row = 1; row < locations.length; row++) this.#locations.add(row);
  }

  /** Writes the ids of a stack's locations, packed, as field 1 of a sample. */
  locationIds(w: Writer, stack: number): void {
    const { start, values } = this.#columns.stacks;
    const from = start[stack] as number;
    const to = start[stack + 1] as number;
    if (from === to) return;
    w.reserve(2 + (to - from) * 5);
    const message = w.begin(0x0a);
    const { ids } = this.#locations;
    const { bytes } = w;
    let { pos } = w;
    for (let i = from; i < to; i++) {
      const row = values[i] as number;
      let id = ids[row] as number;
      if (id === 0) id = this.#locations.add(row);
      while (id > 0x7f) {
        bytes[pos++] = (id & 0x7f) | 0x80;
        id >>>= 7;
      }
      bytes[pos++] = id;
    }
    w.pos = pos;
    w.end(message);
  }

  /** Writes fields 3 to 5 of a Profile. */
  write(w: Writer): void {
    for (const row of this.#locations.rows) this.#collectLocation(row);
    this.#mappings.write(w);
    this.#locations.rows.forEach((row, i) => this.#writeLocation(w, row, i + 1));
    this.#functions.rows.forEach((row, i) => this.#writeFunction(w, row, i + 1));
    for (const [name, id] of this.#madeUp) {
      w.reserve(2 + 12);
      const start = w.begin(0x2a);
      w.field(0x08, this.#functions.rows.length + id);
      w.field(0x10, this.#strings.text(name));
      w.end(start);
    }
  }

  /** What a location needs of the tables before it. */
  #collectLocation(row: number): void {
    const c = this.#columns;
    const mapping = c.mapping[row] as number;
    const from = c.lineStart[row] as number;
    const to = c.lineStart[row + 1] as number;
    let hasLineNumbers = false;
    let hasFilenames = false;
    for (let i = from; i < to; i++) {
      const fn = c.lineFunction[i] as number;
      if (fn === 0) {
        this.#losses.placeholders++;
        this.#addMadeUp(row);
      } else if (this.#functions.ids[fn] === 0) this.#functions.add(fn);
      hasLineNumbers ||= ((c.line[i * 2] as number) | (c.line[i * 2 + 1] as number)) !== 0;
      hasFilenames ||= c.filename[fn] !== 0;
    }
    if (from === to && this.#synthesizeNames) this.#addMadeUp(row);
    if (mapping !== 0) {
      const isNamed = from < to || this.#synthesizeNames;
      this.#mappings.see(mapping, isNamed, hasFilenames, hasLineNumbers, to - from > 1);
    }
  }

  #addMadeUp(location: number): void {
    const name = namelessLocation(this.#dictionary, location);
    if (!this.#madeUp.has(name)) this.#madeUp.set(name, this.#madeUp.size + 1);
  }

  #madeUpId(location: number): number {
    const id = this.#madeUp.get(namelessLocation(this.#dictionary, location)) ?? 0;
    return this.#functions.rows.length + id;
  }

  #writeLocation(w: Writer, row: number, id: number): void {
    const c = this.#columns;
    const from = c.lineStart[row] as number;
    const to = c.lineStart[row + 1] as number;
    w.reserve(2 + 6 + 6 + 11 + 2 + 8);
    const start = w.begin(0x22);
    w.field(0x08, id);
    const mapping = c.mapping[row] as number;
    if (mapping !== 0) w.field(0x10, this.#mappings.id(mapping));
    w.field64(0x18, c.address[row * 2] as number, c.address[row * 2 + 1] as number);
    for (let i = from; i < to; i++) this.#writeLine(w, row, i);
    if (from === to && this.#synthesizeNames) {
      const line = w.begin(0x22);
      w.field(0x08, this.#madeUpId(row));
      w.end(line);
    }
    if (this.#isFolded(row)) {
      w.reserve(2);
      w.field(0x28, 1);
    }
    w.end(start);
  }

  #writeLine(w: Writer, location: number, i: number): void {
    const c = this.#columns;
    w.reserve(2 + 6 + 11 + 11);
    const fn = c.lineFunction[i] as number;
    const start = w.begin(0x22);
    w.field(0x08, fn === 0 ? this.#madeUpId(location) : (this.#functions.ids[fn] as number));
    w.field64(0x10, c.line[i * 2] as number, c.line[i * 2 + 1] as number);
    w.field64(0x18, c.column[i * 2] as number, c.column[i * 2 + 1] as number);
    w.end(start);
  }

  #isFolded(location: number): boolean {
    const { attributes } = this.#columns;
    let isFolded = false;
    const from = attributes.start[location] as number;
    const to = attributes.start[location + 1] as number;
    for (let i = from; i < to; i++) {
      const row = attributes.values[i] as number;
      if (this.#dictionary.attributeKey(row) !== PPROF.isFolded) this.#losses.locationAttributes++;
      else isFolded = valueToText(this.#dictionary.attributeValue(row)) === 'true';
    }
    return isFolded;
  }

  #writeFunction(w: Writer, row: number, id: number): void {
    const c = this.#columns;
    w.reserve(2 + 4 * 6 + 11);
    const start = w.begin(0x2a);
    w.field(0x08, id);
    w.field(0x10, this.#functionName(row));
    w.field(0x18, this.#strings.row(c.systemName[row] as number));
    w.field(0x20, this.#strings.row(c.filename[row] as number));
    w.field64(0x28, c.startLine[row * 2] as number, c.startLine[row * 2 + 1] as number);
    w.end(start);
  }

  /** Viewers want a name for every function; the linker's name or the file stand in for a missing one. */
  #functionName(row: number): number {
    const c = this.#columns;
    const name = this.#strings.row(c.name[row] as number);
    if (name !== 0 || !this.#synthesizeNames) return name;
    return (
      this.#strings.row(c.systemName[row] as number) ||
      this.#strings.row(c.filename[row] as number) ||
      this.#strings.text('[unknown]')
    );
  }

  release(): void {
    this.#locations.release();
    this.#functions.release();
    this.#mappings.release();
  }
}
