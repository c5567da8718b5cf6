// SPDX-License-Identifier: Apache-2.0

/** Wire revisions whose samples and profiles have different field numbers. 1.11 is 1.10 on the wire. */
export const WireRevision = { v1_8: 0, v1_9: 1, v1_10: 2 } as const;

/** Places in the output of `scanDictionary`. `f` is the field number of a table in ProfilesDictionary, 1 to 7. */
export const DictionaryFact = {
  /** `rows + f`: rows as they are on the wire; 0 where the table is absent. */
  rows: 0,
  /** `first + f`, `last + f`: from the tag of the table's first row to the end of its last. */
  first: 8,
  last: 16,
  /** `apart + f`: 1 where something else stands between the table's rows. */
  apart: 24,
  /** Entries of `attribute_indices` of all mappings, of all locations. */
  mappingAttributes: 32,
  locationAttributes: 33,
  lines: 34,
  /** Entries of `location_indices` of all stacks. */
  frames: 35,
  /** KeyValue and array entries nested in attribute values, counted together. */
  nestedValues: 36,
  /** 1 where an attribute value refers to the string table (`string_value_strindex`, `key_strindex`). */
  refers: 37,
  /** 1 where any function has a start line; any line a column; any location a line number. */
  startLines: 38,
  columns: 39,
  lineNumbers: 40,
  /** 1 where the message has fields other than the seven tables. */
  unknownFields: 41,
  size: 48,
} as const;

/** Places in the output of `scanProfiles`, after `perResource` numbers for each resource. */
export const ProfilesFact = {
  /** For each ResourceProfiles: profiles, samples, events, and whether its scopes refer to the string table. */
  perResource: 4,
  scopes: 0,
  profiles: 1,
  samples: 2,
  /** KeyValues of resources and scopes, with KeyValue and array entries nested in them. */
  attributes: 3,
  sampleAttributes: 4,
  values: 5,
  timestamps: 6,
  profileAttributes: 7,
  size: 8,
} as const;

/** Places in the output of `countSamples`. */
export const SamplesFact = {
  samples: 0,
  attributes: 1,
  values: 2,
  timestamps: 3,
  /** 1 where any sample has a link; 1 where every sample has exactly one value. */
  links: 4,
  oneValueEach: 5,
  size: 8,
} as const;

/**
 * Validation and columns of OTLP profiles, over `bytes[from .. to]`. There is one implementation in
 * TypeScript (src/codecs/otlp/scan*.ts, fill*.ts), which is the reference, and one in C++
 * (native/codecs/otlp_*.cc), which must give the same on every input; tests hold them against each other.
 *
 * The scans check everything that a later read relies on: tags, wire types, lengths, varints of at most 64
 * bits, indices against the rows of their table (an absent table has one row, the zero row), UTF-8 of every
 * string, ids of 16 and 8 bytes or none, sample shapes, depth of values (32). They give false where anything is
 * wrong; the reference then says what. Packed and unpacked lists are both read. They allocate nothing.
 *
 * The fills read what a scan accepted, into arrays that are zero and as large as the scan counted. They give
 * false, with the arrays in any state, where the arrays do not fit. `attributeStart`, `lineStart`,
 * `valueStart`, `timestampStart`, `link`, `startLine`, `lineLine` and `lineColumn` may have length 0: the caller
 * knows what would be in them, and they are passed over. `start` columns have a last entry, the end of the
 * last list.
 */
export interface OtlpFunctions {
  /** The message ProfilesDictionary. `out` has `DictionaryFact.size` entries. */
  scanDictionary(bytes: Uint8Array, from: number, to: number, out: Uint32Array): boolean;

  /**
   * The fields 1 of the message ExportProfilesServiceRequest in `bytes`; others are passed over. `rows[f]`
   * is the number of rows of table `f`, at least 1. `out` has `resources * ProfilesFact.perResource +
   * ProfilesFact.size` entries.
   */
  scanProfiles(
    bytes: Uint8Array,
    from: number,
    to: number,
    revision: number,
    rows: Uint32Array,
    out: Uint32Array,
  ): boolean;

  fillStrings(bytes: Uint8Array, from: number, to: number, start: Uint32Array, end: Uint32Array): boolean;
  fillFunctions(
    bytes: Uint8Array,
    from: number,
    to: number,
    name: Int32Array,
    systemName: Int32Array,
    filename: Int32Array,
    startLine: BigInt64Array,
  ): boolean;
  fillMappings(
    bytes: Uint8Array,
    from: number,
    to: number,
    memoryStart: BigUint64Array,
    memoryLimit: BigUint64Array,
    fileOffset: BigUint64Array,
    filename: Int32Array,
    attributeStart: Uint32Array,
    attributes: Int32Array,
  ): boolean;
  fillLocations(
    bytes: Uint8Array,
    from: number,
    to: number,
    mapping: Int32Array,
    address: BigUint64Array,
    attributeStart: Uint32Array,
    attributes: Int32Array,
    lineStart: Uint32Array,
    lineFunction: Int32Array,
    lineLine: BigInt64Array,
    lineColumn: BigInt64Array,
  ): boolean;
  fillStacks(bytes: Uint8Array, from: number, to: number, start: Uint32Array, locations: Int32Array): boolean;
  fillLinks(bytes: Uint8Array, from: number, to: number, traceIds: Uint8Array, spanIds: Uint8Array): boolean;
  /** `start`, `end`: range in `bytes` of the encoded AnyValue; 0, 0 where there is none. */
  fillAttributes(
    bytes: Uint8Array,
    from: number,
    to: number,
    key: Int32Array,
    unit: Int32Array,
    start: Uint32Array,
    end: Uint32Array,
  ): boolean;

  /** The samples of one Profile message. `out` has `SamplesFact.size` entries. */
  countSamples(bytes: Uint8Array, from: number, to: number, revision: number, out: Uint32Array): boolean;
  fillSamples(
    bytes: Uint8Array,
    from: number,
    to: number,
    revision: number,
    stack: Int32Array,
    link: Int32Array,
    attributeStart: Uint32Array,
    attributes: Int32Array,
    valueStart: Uint32Array,
    values: BigInt64Array,
    timestampStart: Uint32Array,
    timestamps: BigUint64Array,
  ): boolean;
}
