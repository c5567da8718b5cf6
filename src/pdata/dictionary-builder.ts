// SPDX-License-Identifier: Apache-2.0
import { type AnyValue, encodeAnyValue } from './any-value.ts';
import { Dictionary } from './dictionary.ts';
import { type RowsOptions, WordRows } from './rows.ts';
import * as rows from './table-rows.ts';
import type { Table } from './tables.ts';

/** One line of a location under construction. */
export interface LineRow {
  readonly function: number;
  readonly line: bigint;
  readonly column: bigint;
}

type Numbers = ArrayLike<number>;

const EMPTY = new Dictionary({
  strings: { length: 0, bytes: new Uint8Array(0), start: new Uint32Array(0), end: new Uint32Array(0) },
  functions: rows.makeFunctions(new WordRows()),
  mappings: rows.makeMappings(new WordRows()),
  locations: rows.makeLocations(new WordRows()),
  stacks: rows.makeStacks(new WordRows()),
  links: rows.makeLinks(new WordRows()),
  attributes: rows.makeAttributes(new WordRows(), new WordRows()),
});

const wide = new BigUint64Array(1);
const halves = rows.halvesOf(wide);

/**
 * Builds a dictionary row by row. Adding a row that is there already gives its index: O(1), equality
 * is checked on the words of the row. Row 0 of every table is the zero row.
 *
 * On top of a `base` its rows keep their indices, and a table to which nothing is added is shared as it
 * is, encoded form included: profiles that refer to the base are valid under the new dictionary.
 *
 * The tables as words (`table-rows.ts` says how a row lies in them) are there for who adds rows in bulk.
 */
export class DictionaryBuilder {
  readonly #base: Dictionary;
  readonly #options: RowsOptions;
  readonly #values: WordRows;
  #strings: WordRows | undefined;
  #functions: WordRows | undefined;
  #mappings: WordRows | undefined;
  #locations: WordRows | undefined;
  #stacks: WordRows | undefined;
  #links: WordRows | undefined;
  #attributes: WordRows | undefined;
  readonly #text = new Map<string, number>();
  readonly #attributeText = new Map<string, number>();

  constructor(base?: Dictionary, options: RowsOptions = {}) {
    this.#base = base ?? EMPTY;
    this.#options = options;
    this.#values = new WordRows(undefined, undefined, options);
    if (base !== undefined) return;
    this.string('');
    this.function(0, 0, 0, 0n);
    this.mapping(0n, 0n, 0n, 0, []);
    this.location(0, 0n, [], []);
    this.stack([]);
    this.link(new Uint8Array(16), new Uint8Array(8));
    this.attribute(0, new Uint8Array(0), 0);
  }

  get strings(): WordRows {
    this.#strings ??= rows.loadStrings(this.#base.tables.strings, this.#options);
    return this.#strings;
  }

  get functions(): WordRows {
    this.#functions ??= rows.loadFunctions(this.#base.tables.functions, this.#options);
    return this.#functions;
  }

  get mappings(): WordRows {
    this.#mappings ??= rows.loadMappings(this.#base.tables.mappings, this.#options);
    return this.#mappings;
  }

  get locations(): WordRows {
    this.#locations ??= rows.loadLocations(this.#base.tables.locations, this.#options);
    return this.#locations;
  }

  get stacks(): WordRows {
    this.#stacks ??= rows.loadStacks(this.#base.tables.stacks, this.#options);
    return this.#stacks;
  }

  get links(): WordRows {
    this.#links ??= rows.loadLinks(this.#base.tables.links, this.#options);
    return this.#links;
  }

  get attributes(): WordRows {
    this.#attributes ??= rows.loadAttributes(this.#base.tables.attributes, this.#values, this.#options);
    return this.#attributes;
  }

  /** Encoded attribute values, to which the rows of `attributes` refer. */
  get values(): WordRows {
    void this.attributes;
    return this.#values;
  }

  /** Whether the rows so far are as a builder makes them: row 0 is the zero row, and no two are equal. */
  isOrderly(): boolean {
    return (
      isOrderly(this.strings, 1) &&
      isOrderly(this.functions, rows.FUNCTION_WORDS) &&
      isOrderly(this.mappings, rows.MAPPING_HEAD) &&
      isOrderly(this.locations, rows.LOCATION_HEAD) &&
      isOrderly(this.stacks, 0) &&
      isOrderly(this.links, rows.LINK_WORDS) &&
      isOrderly(this.attributes, rows.ATTRIBUTE_WORDS) &&
      isZero(this.values, 1)
    );
  }

  string(text: string): number {
    const known = this.#text.get(text);
    if (known !== undefined) return known;
    const row = this.utf8(Buffer.from(text, 'utf8'));
    this.#text.set(text, row);
    return row;
  }

  /** A string by its UTF-8, which the caller has validated. */
  utf8(bytes: Uint8Array): number {
    const { strings } = this;
    strings.pushBytes(rows.viewOf(bytes), 0, bytes.length);
    return strings.intern();
  }

  /** All arguments but the last are string rows. */
  function(name: number, systemName: number, filename: number, startLine: bigint): number {
    const { functions } = this;
    functions.push(name);
    functions.push(systemName);
    functions.push(filename);
    pushWide(functions, startLine);
    return functions.intern();
  }

  mapping(start: bigint, limit: bigint, fileOffset: bigint, filename: number, attributes: Numbers): number {
    const { mappings } = this;
    pushWide(mappings, start);
    pushWide(mappings, limit);
    pushWide(mappings, fileOffset);
    mappings.push(filename);
    mappings.pushAll(attributes);
    return mappings.intern();
  }

  location(mapping: number, address: bigint, attributes: Numbers, lines: readonly LineRow[]): number {
    const { locations } = this;
    locations.push(mapping);
    pushWide(locations, address);
    locations.push(attributes.length);
    locations.pushAll(attributes);
    for (const line of lines) {
      locations.push(line.function);
      pushWide(locations, line.line);
      pushWide(locations, line.column);
    }
    return locations.intern();
  }

  /** Location rows, leaf first. */
  stack(locations: Numbers): number {
    const { stacks } = this;
    stacks.pushAll(locations);
    return stacks.intern();
  }

  /** 16 bytes of trace id, 8 of span id. */
  link(traceId: Uint8Array, spanId: Uint8Array): number {
    const { links } = this;
    rows.pushLink(links, traceId, spanId, 0);
    return links.intern();
  }

  /** `key` and `unit` are string rows, `value` an encoded AnyValue; its string references are to these strings. */
  attribute(key: number, value: Uint8Array, unit: number): number {
    const { attributes, values } = this;
    values.pushBytes(rows.viewOf(value), 0, value.length);
    attributes.push(key);
    attributes.push(unit);
    attributes.push(values.intern());
    return attributes.intern();
  }

  attributeOf(key: string, value: AnyValue, unit = ''): number {
    if (value.kind !== 'string')
      return this.attribute(this.string(key), encodeAnyValue(value), this.string(unit));
    // Text attributes repeat by the thousand (frame types, thread names): spare the encoding.
    const cacheKey = `${key}\u0000${unit}\u0000${value.value}`;
    const known = this.#attributeText.get(cacheKey);
    if (known !== undefined) return known;
    const row = this.attribute(this.string(key), encodeAnyValue(value), this.string(unit));
    this.#attributeText.set(cacheKey, row);
    return row;
  }

  /** The dictionary; the base itself where nothing was added. The builder must not be used afterwards. */
  build(): Dictionary {
    const base = this.#base.tables;
    const values = this.#values;
    const tables = {
      strings: changed(base.strings, this.#strings, rows.makeStrings),
      functions: changed(base.functions, this.#functions, rows.makeFunctions),
      mappings: changed(base.mappings, this.#mappings, rows.makeMappings),
      locations: changed(base.locations, this.#locations, rows.makeLocations),
      stacks: changed(base.stacks, this.#stacks, rows.makeStacks),
      links: changed(base.links, this.#links, rows.makeLinks),
      attributes: changed(base.attributes, this.#attributes, (a) => rows.makeAttributes(a, values)),
    };
    const isBase =
      tables.strings === base.strings &&
      tables.functions === base.functions &&
      tables.mappings === base.mappings &&
      tables.locations === base.locations &&
      tables.stacks === base.stacks &&
      tables.links === base.links &&
      tables.attributes === base.attributes;
    return isBase ? this.#base : new Dictionary(tables, this.#base.unknown);
  }
}

function changed<T extends Table>(base: T, table: WordRows | undefined, make: (table: WordRows) => T): T {
  return table === undefined || table.length === base.length ? base : make(table);
}

function pushWide(table: WordRows, value: bigint): void {
  wide[0] = value;
  table.push(halves[0] as number);
  table.push(halves[1] as number);
}

function isOrderly(table: WordRows, zeroWords: number): boolean {
  return table.length > 0 && table.duplicates === 0 && isZero(table, zeroWords);
}

function isZero({ words, starts }: WordRows, zeroWords: number): boolean {
  if (starts[1] !== zeroWords) return false;
  for (let i = 0; i < zeroWords; i++) if (words[i] !== 0) return false;
  return true;
}
