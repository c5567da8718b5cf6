// SPDX-License-Identifier: Apache-2.0
import { Dictionary, type DictionaryTables } from '../../pdata/dictionary.ts';
import { ProfilesBatch } from '../../pdata/profiles-batch.ts';

/** The batch without the bytes it came as, so that encoding must use the columns. */
export function bareBatch(batch: ProfilesBatch): ProfilesBatch {
  const t = batch.dictionary.tables;
  const tables: DictionaryTables = {
    strings: {
      length: t.strings.length,
      bytes: t.strings.bytes,
      start: t.strings.start,
      end: t.strings.end,
    },
    functions: {
      length: t.functions.length,
      name: t.functions.name,
      systemName: t.functions.systemName,
      filename: t.functions.filename,
      startLine: t.functions.startLine,
    },
    mappings: {
      length: t.mappings.length,
      memoryStart: t.mappings.memoryStart,
      memoryLimit: t.mappings.memoryLimit,
      fileOffset: t.mappings.fileOffset,
      filename: t.mappings.filename,
      attributes: t.mappings.attributes,
    },
    locations: {
      length: t.locations.length,
      mapping: t.locations.mapping,
      address: t.locations.address,
      attributes: t.locations.attributes,
      lineStart: t.locations.lineStart,
      lineFunction: t.locations.lineFunction,
      lineLine: t.locations.lineLine,
      lineColumn: t.locations.lineColumn,
    },
    stacks: { length: t.stacks.length, locations: t.stacks.locations },
    links: { length: t.links.length, traceIds: t.links.traceIds, spanIds: t.links.spanIds },
    attributes: {
      length: t.attributes.length,
      key: t.attributes.key,
      unit: t.attributes.unit,
      bytes: t.attributes.bytes,
      start: t.attributes.start,
      end: t.attributes.end,
    },
  };
  const resources = batch.resources.map((rp) => {
    const { attributes, droppedAttributesCount, unknown } = rp.resource;
    const { schemaUrl, scopes } = rp;
    return {
      resource: { attributes, droppedAttributesCount, unknown },
      schemaUrl,
      scopes,
      unknown: rp.unknown,
    };
  });
  return new ProfilesBatch(new Dictionary(tables), resources);
}
