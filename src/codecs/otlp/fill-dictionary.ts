// SPDX-License-Identifier: Apache-2.0
import { WireReader } from '../../internal/wire-reader.ts';
import { enter, FORMAT } from './fields.ts';
import { eachRow, fillRow, fillRows, fillVarint, halves, type ListCursor } from './fill.ts';
import { TableField } from './scan-dictionary.ts';
import type { OtlpFunctions } from '../../native/otlp-functions.ts';

type DictionaryFills = Pick<
  OtlpFunctions,
  | 'fillStrings'
  | 'fillFunctions'
  | 'fillMappings'
  | 'fillLocations'
  | 'fillStacks'
  | 'fillLinks'
  | 'fillAttributes'
>;

/** Columns of the seven tables from rows that `scanDictionary` accepted; see `OtlpFunctions`. */
export const dictionaryFills: DictionaryFills = {
  fillStrings(bytes, from, to, start, end) {
    const r = new WireReader(bytes, FORMAT, from, to);
    let row = 0;
    while (r.next()) {
      if (r.field !== TableField.strings) {
        r.skip();
        continue;
      }
      const n = r.length();
      start[row] = r.pos;
      r.pos += n;
      end[row++] = r.pos;
    }
    return row === start.length && row === end.length;
  },

  fillFunctions(bytes, from, to, name, systemName, filename, startLine) {
    const r = new WireReader(bytes, FORMAT, from, to);
    const lines = halves(startLine);
    const rows = eachRow(r, TableField.functions, (row) => {
      while (r.next()) {
        if (r.field === 1) fillRow(r, name, row);
        else if (r.field === 2) fillRow(r, systemName, row);
        else if (r.field === 3) fillRow(r, filename, row);
        else if (r.field === 4) fillVarint(r, lines, row);
        else r.skip();
      }
    });
    return rows === name.length;
  },

  fillMappings(
    bytes,
    from,
    to,
    memoryStart,
    memoryLimit,
    fileOffset,
    filename,
    attributeStart,
    attributeValues,
  ) {
    const r = new WireReader(bytes, FORMAT, from, to);
    const [starts, limits, offsets] = [halves(memoryStart), halves(memoryLimit), halves(fileOffset)];
    const attributes: ListCursor = { values: attributeValues, length: 0 };
    const rows = eachRow(r, TableField.mappings, (row) => {
      while (r.next()) {
        if (r.field === 1) fillVarint(r, starts, row);
        else if (r.field === 2) fillVarint(r, limits, row);
        else if (r.field === 3) fillVarint(r, offsets, row);
        else if (r.field === 4) fillRow(r, filename, row);
        else if (r.field === 5) fillRows(r, attributes);
        else r.skip();
      }
      attributeStart[row + 1] = attributes.length;
    });
    return rows === filename.length && attributes.length === attributeValues.length;
  },

  fillLocations(
    bytes,
    from,
    to,
    mapping,
    address,
    attributeStart,
    attributeValues,
    lineStart,
    lineFunction,
    lineLine,
    lineColumn,
  ) {
    const r = new WireReader(bytes, FORMAT, from, to);
    const addresses = halves(address);
    const [lineNumbers, columns] = [halves(lineLine), halves(lineColumn)];
    const attributes: ListCursor = { values: attributeValues, length: 0 };
    let line = 0;
    const readLine = (): void => {
      while (r.next()) {
        if (r.field === 1) fillRow(r, lineFunction, line);
        else if (r.field === 2) fillVarint(r, lineNumbers, line);
        else if (r.field === 3) fillVarint(r, columns, line);
        else r.skip();
      }
      line++;
    };
    const rows = eachRow(r, TableField.locations, (row) => {
      while (r.next()) {
        if (r.field === 1) fillRow(r, mapping, row);
        else if (r.field === 2) fillVarint(r, addresses, row);
        else if (r.field === 3) {
          const outer = enter(r);
          readLine();
          r.end = outer;
        } else if (r.field === 4) fillRows(r, attributes);
        else r.skip();
      }
      attributeStart[row + 1] = attributes.length;
      lineStart[row + 1] = line;
    });
    return (
      rows === mapping.length && line === lineFunction.length && attributes.length === attributeValues.length
    );
  },

  fillStacks(bytes, from, to, start, locationValues) {
    const r = new WireReader(bytes, FORMAT, from, to);
    const locations: ListCursor = { values: locationValues, length: 0 };
    const rows = eachRow(r, TableField.stacks, (row) => {
      while (r.next()) {
        if (r.field === 1) fillRows(r, locations);
        else r.skip();
      }
      start[row + 1] = locations.length;
    });
    return rows + 1 === start.length && locations.length === locationValues.length;
  },

  fillLinks(bytes, from, to, traceIds, spanIds) {
    const r = new WireReader(bytes, FORMAT, from, to);
    const rows = eachRow(r, TableField.links, (row) => {
      while (r.next()) {
        if (r.field === 1) fillId(r, traceIds, row * 16, 16);
        else if (r.field === 2) fillId(r, spanIds, row * 8, 8);
        else r.skip();
      }
    });
    return rows * 16 === traceIds.length && rows * 8 === spanIds.length;
  },

  fillAttributes(bytes, from, to, key, unit, start, end) {
    const r = new WireReader(bytes, FORMAT, from, to);
    const rows = eachRow(r, TableField.attributes, (row) => {
      while (r.next()) {
        if (r.field === 1) fillRow(r, key, row);
        else if (r.field === 3) fillRow(r, unit, row);
        else if (r.field === 2) {
          const n = r.length();
          start[row] = r.pos;
          r.pos += n;
          end[row] = r.pos;
        } else r.skip();
      }
    });
    return rows === key.length;
  },
};

/** An id given twice counts as given last, also where that is empty. */
function fillId(r: WireReader, column: Uint8Array, at: number, sizeBytes: number): void {
  const id = r.view();
  if (id.length === sizeBytes) column.set(id, at);
  else column.fill(0, at, at + sizeBytes);
}
