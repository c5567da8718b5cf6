// SPDX-License-Identifier: Apache-2.0
import { Wire, type WireReader } from '../../internal/wire-reader.ts';
import { DictionaryFact as Fact } from '../../native/otlp-functions.ts';
import { checkAnyValue, checkUtf8, enter, readId, readRow, readVarint64, skipRows } from './fields.ts';

/** Field numbers of the tables in ProfilesDictionary. */
export const TableField = {
  mappings: 1,
  locations: 2,
  functions: 3,
  links: 4,
  strings: 5,
  attributes: 6,
  stacks: 7,
} as const;

/** Rows that an index may name, by field number of the table: an absent table has its zero row. */
export function tableSizes(out: Uint32Array): Uint32Array {
  return Uint32Array.from({ length: 8 }, (_, field) => Math.max(1, out[Fact.rows + field] ?? 0));
}

/**
 * Checks the ProfilesDictionary message in `r` and writes what it holds to `out` (`DictionaryFact`). Throws
 * DecodeError.
 */
export function scanDictionary(r: WireReader, out: Uint32Array): void {
  out.fill(0);
  const from = r.pos;
  countRows(r, out);
  r.pos = from;
  const rows = tableSizes(out);
  while (r.next()) {
    if (r.field > TableField.stacks) {
      r.skip();
      continue;
    }
    if (r.field === TableField.strings) {
      checkUtf8(r);
      continue;
    }
    const outer = enter(r);
    checkRow(r, r.field, rows, out);
    r.end = outer;
  }
}

function countRows(r: WireReader, out: Uint32Array): void {
  let previous = 0;
  for (let at = r.pos; r.next(); at = r.pos) {
    const { field } = r;
    if (field > TableField.stacks) {
      out[Fact.unknownFields] = 1;
      r.skip();
    } else {
      r.expect(Wire.Len);
      const n = r.length();
      r.pos += n;
      if (out[Fact.rows + field] === 0) out[Fact.first + field] = at;
      else if (previous !== field) out[Fact.apart + field] = 1;
      out[Fact.rows + field] = (out[Fact.rows + field] as number) + 1;
      out[Fact.last + field] = r.pos;
    }
    previous = field;
  }
}

function checkRow(r: WireReader, field: number, rows: Uint32Array, out: Uint32Array): void {
  switch (field) {
    case TableField.mappings:
      checkMapping(r, rows, out);
      return;
    case TableField.locations:
      checkLocation(r, rows, out);
      return;
    case TableField.functions:
      checkFunction(r, rows[TableField.strings] as number, out);
      return;
    case TableField.links:
      checkLink(r);
      return;
    case TableField.attributes:
      checkAttribute(r, rows[TableField.strings] as number, out);
      return;
    default:
      checkStack(r, rows[TableField.locations] as number, out);
  }
}

function checkMapping(r: WireReader, rows: Uint32Array, out: Uint32Array): void {
  while (r.next()) {
    switch (r.field) {
      case 1:
      case 2:
      case 3:
        readVarint64(r);
        break;
      case 4:
        readRow(r, rows[TableField.strings] as number, 'string index');
        break;
      case 5:
        add(
          out,
          Fact.mappingAttributes,
          skipRows(r, rows[TableField.attributes] as number, 'attribute index'),
        );
        break;
      default:
        r.skip();
    }
  }
}

function checkLocation(r: WireReader, rows: Uint32Array, out: Uint32Array): void {
  while (r.next()) {
    switch (r.field) {
      case 1:
        readRow(r, rows[TableField.mappings] as number, 'mapping index');
        break;
      case 2:
        readVarint64(r);
        break;
      case 3: {
        const outer = enter(r);
        checkLine(r, rows[TableField.functions] as number, out);
        r.end = outer;
        break;
      }
      case 4:
        add(
          out,
          Fact.locationAttributes,
          skipRows(r, rows[TableField.attributes] as number, 'attribute index'),
        );
        break;
      default:
        r.skip();
    }
  }
}

function checkLine(r: WireReader, functions: number, out: Uint32Array): void {
  add(out, Fact.lines, 1);
  while (r.next()) {
    switch (r.field) {
      case 1:
        readRow(r, functions, 'function index');
        break;
      case 2:
        readVarint64(r);
        note(r, out, Fact.lineNumbers);
        break;
      case 3:
        readVarint64(r);
        note(r, out, Fact.columns);
        break;
      default:
        r.skip();
    }
  }
}

function checkFunction(r: WireReader, strings: number, out: Uint32Array): void {
  while (r.next()) {
    switch (r.field) {
      case 1:
      case 2:
      case 3:
        readRow(r, strings, 'string index');
        break;
      case 4:
        readVarint64(r);
        note(r, out, Fact.startLines);
        break;
      default:
        r.skip();
    }
  }
}

function checkLink(r: WireReader): void {
  while (r.next()) {
    if (r.field === 1) readId(r, 16, 'trace id');
    else if (r.field === 2) readId(r, 8, 'span id');
    else r.skip();
  }
}

function checkAttribute(r: WireReader, strings: number, out: Uint32Array): void {
  let valued = false;
  while (r.next()) {
    switch (r.field) {
      case 1:
      case 3:
        readRow(r, strings, 'string index');
        break;
      case 2: {
        if (valued) r.fail('attribute with more than one value');
        valued = true;
        const outer = enter(r);
        checkAnyValue(r, strings, out, Fact.refers, Fact.nestedValues);
        r.end = outer;
        break;
      }
      default:
        r.skip();
    }
  }
}

function checkStack(r: WireReader, locations: number, out: Uint32Array): void {
  while (r.next()) {
    if (r.field === 1) add(out, Fact.frames, skipRows(r, locations, 'location index'));
    else r.skip();
  }
}

function add(out: Uint32Array, place: number, n: number): void {
  out[place] = (out[place] as number) + n;
}

/** Remembers that the value just read is not zero. */
function note(r: WireReader, out: Uint32Array, place: number): void {
  if ((r.lo | r.hi) !== 0) out[place] = 1;
}
