// SPDX-License-Identifier: Apache-2.0
import { Wire, WireReader } from '../../internal/wire-reader.ts';
import type { ReverseWriter } from '../../internal/wire-writer.ts';
import { writeAnyValue } from '../../pdata/any-value.ts';
import type { Dictionary } from '../../pdata/dictionary.ts';
import type {
  FunctionTable,
  LinkTable,
  LocationTable,
  MappingTable,
  StackTable,
  StringTable,
} from '../../pdata/tables.ts';
import { TableField } from './decode-dictionary.ts';
import { halves, writeRows, writeVarintField } from './encode-profile.ts';
import { checkAnyValue } from './fields.ts';

/**
 * Writes the fields of a ProfilesDictionary from columns, zero rows included. `inline` resolves string
 * references inside attribute values.
 */
export function writeDictionary(w: ReverseWriter, dictionary: Dictionary, inline: boolean): void {
  const t = dictionary.tables;
  writeStacks(w, t.stacks);
  writeAttributes(w, dictionary, inline);
  writeStrings(w, t.strings);
  writeLinks(w, t.links);
  writeFunctions(w, t.functions);
  writeLocations(w, t.locations);
  writeMappings(w, t.mappings);
}

function writeStacks(w: ReverseWriter, { length, locations }: StackTable): void {
  for (let i = length - 1; i >= 0; i--) {
    const before = w.length;
    writeRows(w, 1, locations.values, locations.start[i] as number, locations.start[i + 1] as number);
    w.message(TableField.stacks, before);
  }
}

function writeAttributes(w: ReverseWriter, dictionary: Dictionary, inline: boolean): void {
  const { length, key, unit, bytes, start, end } = dictionary.tables.attributes;
  for (let i = length - 1; i >= 0; i--) {
    const before = w.length;
    w.int32Field(3, unit[i] as number);
    const from = start[i] as number;
    const to = end[i] as number;
    if (from !== to) {
      const valueBefore = w.length;
      if (inline && refersToStrings(bytes, from, to)) writeAnyValue(w, dictionary.attributeValue(i));
      else w.raw(bytes.subarray(from, to));
      w.message(2, valueBefore);
    }
    w.int32Field(1, key[i] as number);
    w.message(TableField.attributes, before);
  }
}

function refersToStrings(bytes: Uint8Array, from: number, to: number): boolean {
  // One short string, the usual case, is known by its first bytes.
  if (bytes[from] === 0x0a && bytes[from + 1] === to - from - 2) return false;
  return checkAnyValue(new WireReader(bytes, 'attribute value', from, to), 0x7fff_ffff);
}

function writeStrings(w: ReverseWriter, { length, bytes, start, end }: StringTable): void {
  for (let i = length - 1; i >= 0; i--)
    writeRange(w, TableField.strings, bytes, start[i] as number, end[i] as number);
}

function writeLinks(w: ReverseWriter, { length, traceIds, spanIds }: LinkTable): void {
  for (let i = length - 1; i >= 0; i--) {
    const before = w.length;
    // The zero row goes as an empty message: checkers compare it with the default, not with zero ids.
    if (i > 0) {
      writeRange(w, 2, spanIds, i * 8, i * 8 + 8);
      writeRange(w, 1, traceIds, i * 16, i * 16 + 16);
    }
    w.message(TableField.links, before);
  }
}

function writeFunctions(w: ReverseWriter, t: FunctionTable): void {
  const startLine = halves(t.startLine);
  for (let i = t.length - 1; i >= 0; i--) {
    const before = w.length;
    writeVarintField(w, 4, startLine, i);
    w.int32Field(3, t.filename[i] as number);
    w.int32Field(2, t.systemName[i] as number);
    w.int32Field(1, t.name[i] as number);
    w.message(TableField.functions, before);
  }
}

function writeLocations(w: ReverseWriter, t: LocationTable): void {
  const address = halves(t.address);
  const line = halves(t.lineLine);
  const column = halves(t.lineColumn);
  const { start, values } = t.attributes;
  for (let i = t.length - 1; i >= 0; i--) {
    const before = w.length;
    writeRows(w, 4, values, start[i] as number, start[i + 1] as number);
    for (let l = (t.lineStart[i + 1] as number) - 1; l >= (t.lineStart[i] as number); l--) {
      const lineBefore = w.length;
      writeVarintField(w, 3, column, l);
      writeVarintField(w, 2, line, l);
      w.int32Field(1, t.lineFunction[l] as number);
      w.message(3, lineBefore);
    }
    writeVarintField(w, 2, address, i);
    w.int32Field(1, t.mapping[i] as number);
    w.message(TableField.locations, before);
  }
}

function writeMappings(w: ReverseWriter, t: MappingTable): void {
  const memoryStart = halves(t.memoryStart);
  const memoryLimit = halves(t.memoryLimit);
  const fileOffset = halves(t.fileOffset);
  const { start, values } = t.attributes;
  for (let i = t.length - 1; i >= 0; i--) {
    const before = w.length;
    writeRows(w, 5, values, start[i] as number, start[i + 1] as number);
    w.int32Field(4, t.filename[i] as number);
    writeVarintField(w, 3, fileOffset, i);
    writeVarintField(w, 2, memoryLimit, i);
    writeVarintField(w, 1, memoryStart, i);
    w.message(TableField.mappings, before);
  }
}

/** A LEN field, written even when empty: rows of a table count by their place. */
function writeRange(w: ReverseWriter, field: number, bytes: Uint8Array, from: number, to: number): void {
  w.raw(bytes.subarray(from, to));
  w.varint(to - from);
  w.tag(field, Wire.Len);
}
