// SPDX-License-Identifier: Apache-2.0

/** Seeded pseudo-random numbers (mulberry32), so that a failing case can be run again. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed | 0;
  }

  /** An integer in [0..limit). */
  below(limit: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 4_294_967_296) * limit);
  }

  list<T>(maxLength: number, make: (i: number) => T): T[] {
    return Array.from({ length: this.below(maxLength + 1) }, (_, i) => make(i));
  }

  bytes(length: number): Buffer {
    return Buffer.from(Array.from({ length }, () => this.below(256)));
  }

  /** 64 bits as text, small and large alike. */
  u64(): string {
    return BigInt.asUintN(this.below(65), BigInt(`0x${this.bytes(8).toString('hex')}`)).toString();
  }

  i64(): string {
    return BigInt.asIntN(64, BigInt(this.u64())).toString();
  }

  text(): string {
    return ['', 'main', 'größe', '日本', 'a\u0000b', 'x'.repeat(300), '🔥'][this.below(7)] ?? '';
  }
}

interface Tables {
  readonly strings: number;
  readonly mappings: number;
  readonly locations: number;
  readonly functions: number;
  readonly links: number;
  readonly attributes: number;
  readonly stacks: number;
}

/**
 * A valid ExportProfilesServiceRequest in protobuf JSON's shape, every field used. `references` lets
 * attributes refer to the string table, as only OTLP 1.10 can say.
 */
export function randomOtlpRequest(random: Random, references: boolean): Record<string, unknown> {
  const size = (): number => 1 + random.below(6);
  const tables: Tables = {
    strings: size(),
    mappings: size(),
    locations: size(),
    functions: size(),
    links: size(),
    attributes: size(),
    stacks: size(),
  };
  const resourceProfiles = random.list(3, () => ({
    resource: {
      attributes: random.list(4, () => keyValue(random, tables, references)),
      droppedAttributesCount: random.below(3),
      entityRefs: random.list(1, () => ({ schemaUrl: random.text(), type: 'host', idKeys: ['host.id'] })),
    },
    schemaUrl: random.text(),
    scopeProfiles: random.list(2, () => ({
      scope: {
        name: random.text(),
        version: random.text(),
        attributes: random.list(2, () => keyValue(random, tables, references)),
        droppedAttributesCount: random.below(3),
      },
      schemaUrl: random.text(),
      profiles: random.list(3, () => profile(random, tables)),
    })),
  }));
  return { resourceProfiles, dictionary: dictionary(random, tables, references) };
}

function value(random: Random, tables: Tables, references: boolean, depth = 0): Record<string, unknown> {
  switch (random.below(references ? 8 : 7)) {
    case 0:
      return { stringValue: random.text() };
    case 1:
      return { boolValue: random.below(2) === 1 };
    case 2:
      return { intValue: random.i64() };
    case 3:
      return { doubleValue: random.below(1000) / 7 };
    case 4:
      return { bytesValue: random.bytes(random.below(5)) };
    case 5:
      if (depth > 2) return {};
      return { arrayValue: { values: random.list(3, () => value(random, tables, references, depth + 1)) } };
    case 6:
      if (depth > 2) return {};
      return {
        kvlistValue: { values: random.list(3, () => keyValue(random, tables, references, depth + 1)) },
      };
    default:
      return { stringValueStrindex: random.below(tables.strings) };
  }
}

function keyValue(random: Random, tables: Tables, references: boolean, depth = 0): Record<string, unknown> {
  const key =
    references && random.below(2) === 1
      ? { keyStrindex: random.below(tables.strings) }
      : { key: random.text() };
  return { ...key, value: value(random, tables, references, depth) };
}

function profile(random: Random, t: Tables): Record<string, unknown> {
  const valueType = (): object => ({
    typeStrindex: random.below(t.strings),
    unitStrindex: random.below(t.strings),
  });
  return {
    sampleType: valueType(),
    samples: random.list(5, (i) => sample(random, t, i === 0)),
    timeUnixNano: random.u64(),
    durationNano: random.u64(),
    periodType: valueType(),
    period: random.i64(),
    profileId: random.bytes(random.below(2) * 16),
    droppedAttributesCount: random.below(3),
    originalPayloadFormat: random.text(),
    originalPayload: random.bytes(random.below(5)),
    attributeIndices: random.list(3, () => random.below(t.attributes)),
  };
}

/** `certain`: has a value and an attribute, which tell the wire revisions apart. */
function sample(random: Random, t: Tables, certain: boolean): Record<string, unknown> {
  const shape = certain ? 1 + random.below(2) : random.below(3);
  const timestamps = shape === 1 ? 0 : 1 + random.below(4);
  const values = shape === 0 ? 0 : Math.max(timestamps, 1);
  return {
    stackIndex: random.below(t.stacks),
    attributeIndices: certain ? [0] : random.list(3, () => random.below(t.attributes)),
    linkIndex: random.below(t.links),
    values: Array.from({ length: values }, () => random.i64()),
    timestampsUnixNano: Array.from({ length: timestamps }, () => random.u64()),
  };
}

function dictionary(random: Random, t: Tables, references: boolean): Record<string, unknown> {
  const rows = (n: number, make: () => object): object[] =>
    Array.from({ length: n }, (_, i) => (i === 0 ? {} : make()));
  const string = (): number => random.below(t.strings);
  const attributeIndices = (): number[] => random.list(3, () => random.below(t.attributes));
  return {
    stringTable: Array.from({ length: t.strings }, (_, i) => (i === 0 ? '' : random.text())),
    functionTable: rows(t.functions, () => ({
      nameStrindex: string(),
      systemNameStrindex: string(),
      filenameStrindex: string(),
      startLine: random.i64(),
    })),
    mappingTable: rows(t.mappings, () => ({
      memoryStart: random.u64(),
      memoryLimit: random.u64(),
      fileOffset: random.u64(),
      filenameStrindex: string(),
      attributeIndices: attributeIndices(),
    })),
    locationTable: rows(t.locations, () => ({
      mappingIndex: random.below(t.mappings),
      address: random.u64(),
      attributeIndices: attributeIndices(),
      lines: random.list(3, () => ({
        functionIndex: random.below(t.functions),
        line: random.i64(),
        column: random.i64(),
      })),
    })),
    linkTable: rows(t.links, () => ({ traceId: random.bytes(16), spanId: random.bytes(8) })),
    attributeTable: rows(t.attributes, () => ({
      keyStrindex: string(),
      unitStrindex: string(),
      value: value(random, t, references),
    })),
    stackTable: rows(t.stacks, () => ({
      locationIndices: random.list(5, () => random.below(t.locations)),
    })),
  };
}
