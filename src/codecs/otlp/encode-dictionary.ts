// SPDX-License-Identifier: Apache-2.0
import { Wire } from '../../internal/wire-reader.ts';
import type { ReverseWriter } from '../../internal/wire-writer.ts';
import { writeAnyValue } from '../../pdata/any-value.ts';
import type { Dictionary } from '../../pdata/dictionary.ts';
import type {
  EncodedForm,
  FunctionTable,
  LinkTable,
  LocationTable,
  MappingTable,
  StackTable,
  StringTable,
  Table,
} from '../../pdata/tables.ts';
import { valueRefers } from './encode-attributes.ts';
import { writeRows, writeVarintField } from './encode-profile.ts';
import { halves } from './fill.ts';
import { TableField } from './scan-dictionary.ts';

/**
 * Writes the fields of a ProfilesDictionary, zero rows included: what `maySplice` allows as it came, the rest
 * from columns. String references inside attribute values are written as text then.
 */
export function writeDictionary(
  w: ReverseWriter,
  dictionary: Dictionary,
  maySplice: (encoded: EncodedForm | undefined) => encoded is EncodedForm,
): void {
  const t = dictionary.tables;
  const table = <T extends Table>(of: T, write: (w: ReverseWriter, of: T) => void): void => {
    const { encoded } = of;
    if (maySplice(encoded)) w.raw(encoded.bytes);
    else write(w, of);
  };
  table(t.stacks, writeStacks);
  table(t.attributes, () => writeAttributes(w, dictionary));
  table(t.strings, writeStrings);
  table(t.links, writeLinks);
  table(t.functions, writeFunctions);
  table(t.locations, writeLocations);
  table(t.mappings, writeMappings);
}

function writeStacks(w: ReverseWriter, { length, locations }: StackTable): void {
  for (let i = length - 1; i >= 0; i--) {
    const before = w.length;
    writeRows(w, 1, locations.values, locations.start[i] as number, locations.start[i + 1] as number);
    w.message(TableField.stacks, before);
  }
}

function writeAttributes(w: ReverseWriter, dictionary: Dictionary): void {
  const { length, key, unit, bytes, start, end } = dictionary.tables.attributes;
  for (let i = length - 1; i >= 0; i--) {
    const before = w.length;
    w.int32Field(3, unit[i] as number);
    const from = start[i] as number;
    const to = end[i] as number;
    if (from !== to) {
      const valueBefore = w.length;
      if (valueRefers(bytes, from, to)) writeAnyValue(w, dictionary.attributeValue(i));
      else w.raw(bytes.subarray(from, to));
      w.message(2, valueBefore);
    }
    w.int32Field(1, key[i] as number);
    w.message(TableField.attributes, before);
  }
}

function writeStrings(w: ReverseWriter, { length, bytes, start, end }: StringTable): void {
  for (let i = length - 1; i >= 0; i--)
    writeRange(w, TableField.strings, bytes, start[i] as number, end[i] as number);
}

function writeLinks(w: ReverseWriter, { length, traceIds, spanIds }: LinkTable): void {
  for (let i = length - 1; i >= 0; i--) {
    const before = w.length;
    // The zero row goes as an empty message: checkers compare it with the default, not with zero ids.
    if (i > 0 || !isZero(traceIds.subarray(0, 16)) || !isZero(spanIds.subarray(0, 8))) {
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

const isZero = (id: Uint8Array): boolean => id.every((byte) => byte === 0);

/** A LEN field, written even when empty: rows of a table count by their place. */
function writeRange(w: ReverseWriter, field: number, bytes: Uint8Array, from: number, to: number): void {
  w.raw(bytes.subarray(from, to));
  w.varint(to - from);
  w.tag(field, Wire.Len);
}
