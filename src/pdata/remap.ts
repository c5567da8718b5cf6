// SPDX-License-Identifier: Apache-2.0
import { Int32Column } from './columns.ts';
import { DictionaryBuilder } from './dictionary-builder.ts';
import type { Dictionary } from './dictionary.ts';
import {
  type Profile,
  type ResourceProfiles,
  type ValueType,
  withProfiles,
  withSamples,
  withScopes,
} from './profiles-batch.ts';
import { FUNCTION_WORDS, halvesOf, LINE_WORDS, LOCATION_HEAD, pushLink, viewOf } from './table-rows.ts';
import type { Samples } from './tables.ts';
import { inlineReferences, mayReferToStrings } from './value-references.ts';

const UNSEEN = -1;

/** Where the rows of one table went. Forgetting costs as much as was noted, not as much as the table is long. */
class RowMap {
  readonly rows: Int32Array;
  readonly #noted = new Int32Column(16);

  constructor(length: number) {
    this.rows = new Int32Array(length).fill(UNSEEN);
  }

  note(row: number, made: number): number {
    this.rows[row] = made;
    this.#noted.push(row);
    return made;
  }

  forget(): void {
    for (let i = 0; i < this.#noted.length; i++) this.rows[this.#noted.get(i)] = UNSEEN;
    this.#noted.length = 0;
  }
}

/** The columns that copying reads, made once: those of a table may cost time at each look. */
function columnsOf({ tables: t }: Dictionary) {
  const { strings, functions, mappings, locations, links, attributes } = t;
  return {
    strings: { view: viewOf(strings.bytes), start: strings.start, end: strings.end },
    functions: {
      name: functions.name,
      systemName: functions.systemName,
      filename: functions.filename,
      startLine: halvesOf(functions.startLine),
    },
    mappings: {
      wide: [halvesOf(mappings.memoryStart), halvesOf(mappings.memoryLimit), halvesOf(mappings.fileOffset)],
      filename: mappings.filename,
      attributes: mappings.attributes,
    },
    locations: {
      mapping: locations.mapping,
      address: halvesOf(locations.address),
      attributes: locations.attributes,
      lineStart: locations.lineStart,
      lineFunction: locations.lineFunction,
      line: halvesOf(locations.lineLine),
      column: halvesOf(locations.lineColumn),
    },
    stacks: t.stacks.locations,
    links: { traceIds: links.traceIds, spanIds: links.spanIds },
    attributes: {
      key: attributes.key,
      unit: attributes.unit,
      bytes: attributes.bytes,
      view: viewOf(attributes.bytes),
      start: attributes.start,
      end: attributes.end,
    },
  };
}

/**
 * Copies what is referenced from one dictionary into a builder, each row once. Rows that nothing asks
 * for are left behind, so that a split or filtered batch carries only what it needs. Attribute values
 * come over with their strings in place of references.
 */
export class Remapper {
  readonly #from: Dictionary;
  readonly #columns: ReturnType<typeof columnsOf>;
  #to: DictionaryBuilder;
  readonly #strings: RowMap;
  readonly #functions: RowMap;
  readonly #mappings: RowMap;
  readonly #locations: RowMap;
  readonly #stacks: RowMap;
  readonly #links: RowMap;
  readonly #attributes: RowMap;

  constructor(from: Dictionary, to: DictionaryBuilder) {
    const t = from.tables;
    this.#from = from;
    this.#columns = columnsOf(from);
    this.#to = to;
    this.#strings = new RowMap(t.strings.length);
    this.#functions = new RowMap(t.functions.length);
    this.#mappings = new RowMap(t.mappings.length);
    this.#locations = new RowMap(t.locations.length);
    this.#stacks = new RowMap(t.stacks.length);
    this.#links = new RowMap(t.links.length);
    this.#attributes = new RowMap(t.attributes.length);
  }

  /** Copies into another builder from now on, as if nothing had been copied before. */
  retarget(to: DictionaryBuilder): void {
    this.#to = to;
    for (const map of [this.#strings, this.#functions, this.#mappings, this.#locations]) map.forget();
    for (const map of [this.#stacks, this.#links, this.#attributes]) map.forget();
  }

  string(row: number): number {
    const known = this.#strings.rows[row] as number;
    if (known >= 0) return known;
    const { view, start, end } = this.#columns.strings;
    const out = this.#to.strings;
    out.pushBytes(view, start[row] as number, end[row] as number);
    return this.#strings.note(row, out.intern());
  }

  function(row: number): number {
    const known = this.#functions.rows[row] as number;
    if (known >= 0) return known;
    const { name, systemName, filename, startLine } = this.#columns.functions;
    const out = this.#to.functions;
    out.reserve(FUNCTION_WORDS);
    const { words, tail } = out;
    words[tail] = this.string(name[row] as number);
    words[tail + 1] = this.string(systemName[row] as number);
    words[tail + 2] = this.string(filename[row] as number);
    words[tail + 3] = startLine[row * 2] as number;
    words[tail + 4] = startLine[row * 2 + 1] as number;
    out.tail = tail + FUNCTION_WORDS;
    return this.#functions.note(row, out.intern());
  }

  mapping(row: number): number {
    const known = this.#mappings.rows[row] as number;
    if (known >= 0) return known;
    const { wide, filename, attributes } = this.#columns.mappings;
    const out = this.#to.mappings;
    for (const column of wide) {
      out.push(column[row * 2] as number);
      out.push(column[row * 2 + 1] as number);
    }
    out.push(this.string(filename[row] as number));
    const to = attributes.start[row + 1] as number;
    for (let i = attributes.start[row] as number; i < to; i++)
      out.push(this.attribute(attributes.values[i] as number));
    return this.#mappings.note(row, out.intern());
  }

  location(row: number): number {
    const known = this.#locations.rows[row] as number;
    if (known >= 0) return known;
    const { mapping, address, attributes, lineStart, lineFunction, line, column } = this.#columns.locations;
    const out = this.#to.locations;
    const from = attributes.start[row] as number;
    const to = attributes.start[row + 1] as number;
    const linesFrom = lineStart[row] as number;
    const linesTo = lineStart[row + 1] as number;
    out.reserve(LOCATION_HEAD + to - from + (linesTo - linesFrom) * LINE_WORDS);
    // Copying what the location refers to adds no location: the candidate stays where it is.
    const { words } = out;
    let { tail } = out;
    words[tail++] = this.mapping(mapping[row] as number);
    words[tail++] = address[row * 2] as number;
    words[tail++] = address[row * 2 + 1] as number;
    words[tail++] = to - from;
    for (let i = from; i < to; i++) words[tail++] = this.attribute(attributes.values[i] as number);
    for (let l = linesFrom; l < linesTo; l++) {
      words[tail++] = this.function(lineFunction[l] as number);
      words[tail++] = line[l * 2] as number;
      words[tail++] = line[l * 2 + 1] as number;
      words[tail++] = column[l * 2] as number;
      words[tail++] = column[l * 2 + 1] as number;
    }
    out.tail = tail;
    return this.#locations.note(row, out.intern());
  }

  stack(row: number): number {
    const known = this.#stacks.rows[row] as number;
    if (known >= 0) return known;
    const { start, values } = this.#columns.stacks;
    const locations = this.#locations.rows;
    const from = start[row] as number;
    const to = start[row + 1] as number;
    const out = this.#to.stacks;
    out.reserve(to - from);
    const { words } = out;
    let { tail } = out;
    for (let i = from; i < to; i++) {
      const location = values[i] as number;
      const made = locations[location] as number;
      words[tail++] = made >= 0 ? made : this.location(location);
    }
    out.tail = tail;
    return this.#stacks.note(row, out.intern());
  }

  link(row: number): number {
    const known = this.#links.rows[row] as number;
    if (known >= 0) return known;
    const out = this.#to.links;
    pushLink(out, this.#columns.links.traceIds, this.#columns.links.spanIds, row);
    return this.#links.note(row, out.intern());
  }

  attribute(row: number): number {
    const known = this.#attributes.rows[row] as number;
    if (known >= 0) return known;
    const { key, unit, bytes, view, start, end } = this.#columns.attributes;
    const { attributes: out, values } = this.#to;
    const from = start[row] as number;
    const to = end[row] as number;
    if (mayReferToStrings(bytes, from, to)) {
      const inlined = inlineReferences(bytes.subarray(from, to), (i) => this.#from.utf8(i));
      values.pushBytes(viewOf(inlined), 0, inlined.length);
    } else values.pushBytes(view, from, to);
    const value = values.intern();
    out.push(this.string(key[row] as number));
    out.push(this.string(unit[row] as number));
    out.push(value);
    return this.#attributes.note(row, out.intern());
  }

  valueType(type: ValueType): ValueType {
    return { type: this.string(type.type), unit: this.string(type.unit) };
  }

  /** The profile whole; value and timestamp columns are shared. */
  profile(p: Profile): Profile {
    return this.profileWith(p, this.samples(p.samples));
  }

  /** The profile with samples that refer to the builder's rows already. */
  profileWith(p: Profile, samples: Samples): Profile {
    return withSamples(p, samples, {
      sampleType: this.valueType(p.sampleType),
      periodType: this.valueType(p.periodType),
      attributes: p.attributes.map((row) => this.attribute(row)),
    });
  }

  /** The same resource with its scopes' profiles copied whole. */
  resourceProfiles(rp: ResourceProfiles): ResourceProfiles {
    const scopes = rp.scopes.map((s) =>
      withProfiles(
        s,
        s.profiles.map((p) => this.profile(p)),
      ),
    );
    return withScopes(rp, scopes);
  }

  samples(s: Samples): Samples {
    const { length, attributes, valueStart, values, timestampStart, timestamps } = s;
    return {
      length,
      stack: this.#stackRows(s.stack),
      link: this.#linkRows(s.link),
      attributes: { start: attributes.start, values: this.#attributeRows(attributes.values) },
      valueStart,
      values,
      timestampStart,
      timestamps,
    };
  }

  #stackRows(rows: Int32Array): Int32Array {
    const out = new Int32Array(rows.length);
    const known = this.#stacks.rows;
    for (let i = 0; i < rows.length; i++) {
      const made = known[rows[i] as number] as number;
      out[i] = made >= 0 ? made : this.stack(rows[i] as number);
    }
    return out;
  }

  #linkRows(rows: Int32Array): Int32Array {
    const out = new Int32Array(rows.length);
    for (let i = 0; i < rows.length; i++) out[i] = this.link(rows[i] as number);
    return out;
  }

  #attributeRows(rows: Int32Array): Int32Array {
    const out = new Int32Array(rows.length);
    const known = this.#attributes.rows;
    for (let i = 0; i < rows.length; i++) {
      const made = known[rows[i] as number] as number;
      out[i] = made >= 0 ? made : this.attribute(rows[i] as number);
    }
    return out;
  }
}

/** Whether row 0 of every table of the dictionary is the zero row. */
export function hasZeroRows(dictionary: Dictionary): boolean {
  const r = new Remapper(dictionary, new DictionaryBuilder());
  const rows = [
    r.string(0),
    r.function(0),
    r.mapping(0),
    r.location(0),
    r.stack(0),
    r.link(0),
    r.attribute(0),
  ];
  return rows.every((row) => row === 0);
}
