// SPDX-License-Identifier: Apache-2.0
import type { ReverseWriter } from '../../internal/wire-writer.ts';
import { valueToText } from '../../pdata/any-value.ts';
import type { Dictionary } from '../../pdata/dictionary.ts';
import { namelessLocation } from '../../pdata/folded.ts';
import { listAt } from '../../pdata/tables.ts';
import { PPROF } from './names.ts';

/** Rows in the order in which they were asked for; ids of pprof start at 1. */
class Ids {
  readonly #ids: Int32Array;
  readonly rows: number[] = [];

  constructor(length: number) {
    this.#ids = new Int32Array(length);
  }

  /** The id of a row; `onNew` runs once for each row. */
  of(row: number, onNew?: () => void): number {
    const known = this.#ids[row] ?? 0;
    if (known !== 0) return known;
    this.rows.push(row);
    this.#ids[row] = this.rows.length;
    onNew?.();
    return this.rows.length;
  }

  /** Renumbers by ascending row. */
  sort(): void {
    this.rows.sort((a, b) => a - b);
    this.rows.forEach((row, i) => void (this.#ids[row] = i + 1));
  }
}

/** What pprof says of a mapping's symbols. */
interface Flags {
  locations: number;
  named: number;
  filenames: boolean;
  lineNumbers: boolean;
  inlineFrames: boolean;
}

/**
 * The tables of one pprof file: the rows of a dictionary that its samples reference, each once, under
 * pprof's own ids. Collect first (`addStack`, `string`, `text`), then write, last field first.
 */
export class PprofTables {
  readonly #dictionary: Dictionary;
  readonly #synthesizeNames: boolean;
  readonly #strings: (Uint8Array | string)[] = [''];
  readonly #stringOfRow: Int32Array;
  readonly #stringOfText = new Map<string, number>();
  readonly #stacks: Uint8Array;
  readonly #locations: Ids;
  readonly #functions: Ids;
  readonly #mappings: Ids;
  readonly #flags = new Map<number, Flags>();
  /** Functions that the dictionary does not have, by name; their ids follow those of the rows. */
  readonly #madeUp = new Map<string, number>();

  constructor(dictionary: Dictionary, synthesizeNames: boolean) {
    const t = dictionary.tables;
    this.#dictionary = dictionary;
    this.#synthesizeNames = synthesizeNames;
    this.#stringOfRow = new Int32Array(t.strings.length);
    this.#stacks = new Uint8Array(t.stacks.length);
    this.#locations = new Ids(t.locations.length);
    this.#functions = new Ids(t.functions.length);
    this.#mappings = new Ids(t.mappings.length);
  }

  /** String index of a dictionary row. */
  string(row: number): number {
    if (row === 0) return 0;
    const known = this.#stringOfRow[row] ?? 0;
    if (known !== 0) return known;
    const bytes = this.#dictionary.utf8(row);
    const index = bytes.length === 0 ? 0 : this.#strings.push(bytes) - 1;
    this.#stringOfRow[row] = index;
    return index;
  }

  /** String index of a text that the dictionary may not have. */
  text(text: string): number {
    if (text === '') return 0;
    let index = this.#stringOfText.get(text);
    if (index === undefined) {
      index = this.#strings.push(text) - 1;
      this.#stringOfText.set(text, index);
    }
    return index;
  }

  addStack(row: number): void {
    if (this.#stacks[row] === 1) return;
    this.#stacks[row] = 1;
    for (const location of listAt(this.#dictionary.tables.stacks.locations, row)) {
      this.#locations.of(location, () => this.#addLocation(location));
    }
  }

  /** pprof ids of a stack's locations, leaf first. */
  locationIds(stack: number): number[] {
    return Array.from(listAt(this.#dictionary.tables.stacks.locations, stack), (row) =>
      this.#locations.of(row),
    );
  }

  #addLocation(row: number): void {
    const { locations: l } = this.#dictionary.tables;
    const mapping = l.mapping[row] ?? 0;
    if (mapping !== 0) this.#mappings.of(mapping, () => this.#addMapping(mapping));
    const from = l.lineStart[row] ?? 0;
    const to = l.lineStart[row + 1] ?? 0;
    for (let i = from; i < to; i++) this.#addLineFunction(row, l.lineFunction[i] ?? 0);
    if (from === to && this.#synthesizeNames) this.#addMadeUp(row);
    const flags = this.#flags.get(mapping);
    if (flags === undefined) return;
    flags.locations++;
    if (from < to || this.#synthesizeNames) flags.named++;
    if (to - from > 1) flags.inlineFrames = true;
    for (let i = from; i < to; i++) {
      if ((l.lineLine[i] ?? 0n) !== 0n) flags.lineNumbers = true;
      if ((this.#dictionary.tables.functions.filename[l.lineFunction[i] ?? 0] ?? 0) !== 0)
        flags.filenames = true;
    }
  }

  #addLineFunction(location: number, row: number): void {
    if (row === 0) {
      this.#addMadeUp(location);
      return;
    }
    const { functions: f } = this.#dictionary.tables;
    this.#functions.of(row, () => {
      this.#functionName(row);
      this.string(f.systemName[row] ?? 0);
      this.string(f.filename[row] ?? 0);
    });
  }

  /** pprof wants a name for every function; the linker's name or the file stand in for a missing one. */
  #functionName(row: number): number {
    const { functions: f } = this.#dictionary.tables;
    return (
      this.string(f.name[row] ?? 0) ||
      this.string(f.systemName[row] ?? 0) ||
      this.string(f.filename[row] ?? 0) ||
      this.text('[unknown]')
    );
  }

  #addMadeUp(location: number): void {
    const name = namelessLocation(this.#dictionary, location);
    this.text(name);
    if (!this.#madeUp.has(name)) this.#madeUp.set(name, this.#madeUp.size);
  }

  #addMapping(row: number): void {
    this.#flags.set(row, {
      locations: 0,
      named: 0,
      filenames: false,
      lineNumbers: false,
      inlineFrames: false,
    });
    this.string(this.#dictionary.tables.mappings.filename[row] ?? 0);
    this.text(this.#buildId(row));
  }

  #buildId(mapping: number): string {
    for (const key of PPROF.buildIds) {
      const id = this.#mappingAttribute(mapping, key);
      if (id !== undefined && id !== '') return id;
    }
    return '';
  }

  #mappingAttribute(mapping: number, key: string): string | undefined {
    return attributeText(this.#dictionary, listAt(this.#dictionary.tables.mappings.attributes, mapping), key);
  }

  /** Writes mappings, locations, functions and strings: fields 3 to 6 of a pprof Profile. */
  write(w: ReverseWriter): void {
    for (let i = this.#strings.length - 1; i >= 0; i--) {
      const before = w.length;
      const text = this.#strings[i] ?? '';
      if (typeof text === 'string') w.string(text);
      else w.raw(text);
      w.message(6, before);
    }
    this.#mappings.sort();
    this.#writeFunctions(w);
    for (let i = this.#locations.rows.length - 1; i >= 0; i--)
      this.#writeLocation(w, this.#locations.rows[i] ?? 0, i + 1);
    for (let i = this.#mappings.rows.length - 1; i >= 0; i--)
      this.#writeMapping(w, this.#mappings.rows[i] ?? 0, i + 1);
  }

  #writeFunctions(w: ReverseWriter): void {
    const { functions: f } = this.#dictionary.tables;
    for (const [name, index] of [...this.#madeUp].reverse()) {
      const before = w.length;
      w.int32Field(2, this.text(name));
      w.int32Field(1, this.#functions.rows.length + index + 1);
      w.message(5, before);
    }
    for (let i = this.#functions.rows.length - 1; i >= 0; i--) {
      const row = this.#functions.rows[i] ?? 0;
      const before = w.length;
      w.int64Field(5, f.startLine[row] ?? 0n);
      w.int32Field(4, this.string(f.filename[row] ?? 0));
      w.int32Field(3, this.string(f.systemName[row] ?? 0));
      w.int32Field(2, this.#functionName(row));
      w.int32Field(1, i + 1);
      w.message(5, before);
    }
  }

  #madeUpId(location: number): number {
    return (
      this.#functions.rows.length + (this.#madeUp.get(namelessLocation(this.#dictionary, location)) ?? 0) + 1
    );
  }

  #writeLocation(w: ReverseWriter, row: number, id: number): void {
    const { locations: l } = this.#dictionary.tables;
    const before = w.length;
    const isFolded = attributeText(this.#dictionary, listAt(l.attributes, row), PPROF.isFolded) === 'true';
    w.int32Field(5, isFolded ? 1 : 0);
    const from = l.lineStart[row] ?? 0;
    const to = l.lineStart[row + 1] ?? 0;
    for (let i = to - 1; i >= from; i--) {
      const start = w.length;
      const line = l.lineFunction[i] ?? 0;
      w.int64Field(3, l.lineColumn[i] ?? 0n);
      w.int64Field(2, l.lineLine[i] ?? 0n);
      w.int32Field(1, line === 0 ? this.#madeUpId(row) : this.#functions.of(line));
      w.message(4, start);
    }
    if (from === to && this.#synthesizeNames) {
      const start = w.length;
      w.int32Field(1, this.#madeUpId(row));
      w.message(4, start);
    }
    w.int64Field(3, l.address[row] ?? 0n);
    const mapping = l.mapping[row] ?? 0;
    w.int32Field(2, mapping === 0 ? 0 : this.#mappings.of(mapping));
    w.int32Field(1, id);
    w.message(4, before);
  }

  #writeMapping(w: ReverseWriter, row: number, id: number): void {
    const { mappings: m } = this.#dictionary.tables;
    const before = w.length;
    this.#flagsOf(row).forEach((isSet, i) => w.int32Field(10 - i, isSet ? 1 : 0));
    w.int32Field(6, this.text(this.#buildId(row)));
    w.int32Field(5, this.string(m.filename[row] ?? 0));
    w.int64Field(4, m.fileOffset[row] ?? 0n);
    w.int64Field(3, m.memoryLimit[row] ?? 0n);
    w.int64Field(2, m.memoryStart[row] ?? 0n);
    w.int32Field(1, id);
    w.message(3, before);
  }

  /** Inline frames, line numbers, filenames, functions: as the producer said, else as the locations show. */
  #flagsOf(row: number): boolean[] {
    const keys = [PPROF.hasInlineFrames, PPROF.hasLineNumbers, PPROF.hasFilenames, PPROF.hasFunctions];
    const said = keys.map((key) => this.#mappingAttribute(row, key));
    if (said.some((text) => text !== undefined)) return said.map((text) => text === 'true');
    const seen = this.#flags.get(row);
    if (seen === undefined) return [];
    return [seen.inlineFrames, seen.lineNumbers, seen.filenames, seen.named === seen.locations];
  }
}

/** Text of the attribute `key` among the given rows. */
export function attributeText(dictionary: Dictionary, rows: Int32Array, key: string): string | undefined {
  for (const row of rows) {
    if (dictionary.attributeKey(row) === key) return valueToText(dictionary.attributeValue(row));
  }
  return undefined;
}
