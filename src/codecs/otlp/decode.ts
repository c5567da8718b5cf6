// SPDX-License-Identifier: Apache-2.0
import { DecodeError, Wire, WireReader } from '../../internal/wire-reader.ts';
import {
  DictionaryFact,
  type OtlpFunctions,
  ProfilesFact,
  WireRevision,
} from '../../native/otlp-functions.ts';
import { Dictionary } from '../../pdata/dictionary.ts';
import { ProfilesBatch } from '../../pdata/profiles-batch.ts';
import { checkMemory } from './memory.ts';
import { EncodedResourceProfiles, type ResourcesSource } from './encoded-resource.ts';
import { encodedTables } from './encoded-tables.ts';
import { FORMAT, Ranges } from './fields.ts';
import { decodeOtlp17 } from './legacy-1-7.ts';
import { isOtlp17, WITHOUT_DICTIONARY } from './legacy-1-7-detect.ts';
import { detectRevision, Form, type Revision } from './revision.ts';
import { otlpFunctions, typescriptFunctions } from './scan.ts';
import { scanDictionary, tableSizes } from './scan-dictionary.ts';
import { scanProfiles } from './scan-profiles.ts';

/** A decoded request and the wire revision it was written in. */
export interface DecodedOtlp {
  readonly batch: ProfilesBatch;
  readonly revision: Revision;
}

/**
 * Reads an ExportProfilesServiceRequest or ProfilesData, revisions 1.7 to 1.11. Every length, wire type,
 * index, sample shape and string is checked now; columns are made when they are first used. The batch keeps
 * `bytes`, which must not change from then on, to read and to splice from. Throws DecodeError with the byte
 * offset.
 */
export function decodeOtlp(bytes: Uint8Array): ProfilesBatch {
  return decodeOtlpDetailed(bytes).batch;
}

/** Like `decodeOtlp`, and tells the revision. `functions`: for tests and benchmarks. */
export function decodeOtlpDetailed(
  bytes: Uint8Array,
  functions: OtlpFunctions = otlpFunctions(),
): DecodedOtlp {
  // A plain view: a Buffer's subarray is slower and would leak Buffers into attribute values.
  const plain = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
  try {
    return decodeCurrent(plain, functions);
  } catch (error) {
    if (!(error instanceof DecodeError) || !isOtlp17(plain)) throw error;
    return { batch: decodeOtlp17(plain), revision: '1.7' };
  }
}

function decodeCurrent(bytes: Uint8Array, functions: OtlpFunctions): DecodedOtlp {
  const request = findRequest(new WireReader(bytes, FORMAT));
  checkMemory(bytes, { resources: request.resources });
  const dictionary = readDictionary(request, functions);
  const r = new WireReader(bytes, FORMAT);
  const refers = dictionary.facts[DictionaryFact.refers] !== 0;
  const revision = detectRevision(r, () => dictionary.tables.attributes.key, refers);
  const source = sourceOf(bytes, functions, new Dictionary(dictionary.tables, dictionary.unknown), revision);
  const found = new Uint32Array(request.resources * ProfilesFact.perResource + ProfilesFact.size);
  const rows = tableSizes(dictionary.facts);
  const isScanned =
    functions !== typescriptFunctions &&
    functions.scanProfiles(bytes, 0, bytes.length, source.revision, rows, found);
  if (!isScanned) scanOrSay(request, source.revision, rows, found);
  const totals = found.subarray(request.resources * ProfilesFact.perResource);
  if (!request.hasDictionary && (totals[ProfilesFact.samples] ?? 0) > 0) {
    r.fail(WITHOUT_DICTIONARY, 0);
  }
  checkMemory(bytes, { resources: request.resources, dictionary: dictionary.facts, profiles: totals });
  return {
    batch: new ProfilesBatch(source.dictionary, resourcesOf(source, found), request.unknown),
    revision,
  };
}

/** The reference's scan; indices into tables that are not there are told by what is missing. */
function scanOrSay(request: FoundRequest, revision: number, rows: Uint32Array, found: Uint32Array): void {
  try {
    scanProfiles(new WireReader(request.source, FORMAT), revision, rows, found);
  } catch (error) {
    const isRow = error instanceof DecodeError && error.message.includes('is out of range');
    if (request.hasDictionary || !isRow) throw error;
    throw new DecodeError(FORMAT, error.offset, WITHOUT_DICTIONARY, { cause: error });
  }
}

interface FoundRequest {
  readonly source: Uint8Array;
  readonly resources: number;
  readonly hasDictionary: boolean;
  /** The bytes that hold the dictionary message, `from .. to`; in place where it is one piece. */
  readonly bytes: Uint8Array;
  readonly from: number;
  readonly to: number;
  readonly unknown: Uint8Array;
}

function findRequest(r: WireReader): FoundRequest {
  const dictionary = new Ranges(r.bytes);
  const unknown = new Ranges(r.bytes);
  let resources = 0;
  let dictionaries = 0;
  for (let at = r.pos; r.next(); at = r.pos) {
    if (r.field === 2) {
      r.expect(Wire.Len);
      const n = r.length();
      dictionary.add(r.pos, r.pos + n);
      r.pos += n;
      dictionaries++;
      continue;
    }
    if (r.field === 1) {
      r.expect(Wire.Len);
      resources++;
      r.skip();
    } else {
      r.skip();
      unknown.add(at, r.pos);
    }
  }
  const message = dictionary.join();
  const isInPlace = message.buffer === r.bytes.buffer;
  // In place, offsets in errors count from the start of the request.
  const from = isInPlace ? message.byteOffset - r.bytes.byteOffset : 0;
  return {
    source: r.bytes,
    resources,
    hasDictionary: dictionaries > 0,
    bytes: isInPlace ? r.bytes : message,
    from,
    to: from + message.length,
    unknown: unknown.join(),
  };
}

function readDictionary({ bytes, from, to }: FoundRequest, functions: OtlpFunctions) {
  const facts = new Uint32Array(DictionaryFact.size);
  if (functions === typescriptFunctions || !functions.scanDictionary(bytes, from, to, facts)) {
    scanDictionary(new WireReader(bytes, FORMAT, from, to), facts);
  }
  const unknown = new Ranges(bytes);
  if (facts[DictionaryFact.unknownFields] !== 0) {
    const r = new WireReader(bytes, FORMAT, from, to);
    for (let at = r.pos; r.next(); at = r.pos) {
      const isUnknown = r.field > 7;
      r.skip();
      if (isUnknown) unknown.add(at, r.pos);
    }
  }
  return { facts, tables: encodedTables(bytes, facts, functions), unknown: unknown.join() };
}

function sourceOf(
  bytes: Uint8Array,
  functions: OtlpFunctions,
  dictionary: Dictionary,
  revision: Exclude<Revision, '1.7'>,
): ResourcesSource {
  const of = { bytes, functions, dictionary };
  switch (revision) {
    case '1.8':
      return { ...of, revision: WireRevision.v1_8, form: undefined, formWithReferences: undefined };
    case '1.9':
      return { ...of, revision: WireRevision.v1_9, form: Form.v1_9, formWithReferences: undefined };
    case '1.10':
      return { ...of, revision: WireRevision.v1_10, form: Form.v1_10, formWithReferences: Form.references };
  }
}

function resourcesOf(source: ResourcesSource, found: Uint32Array): EncodedResourceProfiles[] {
  const r = new WireReader(source.bytes, FORMAT);
  const out: EncodedResourceProfiles[] = [];
  for (let at = 0; r.next(); ) {
    if (r.field !== 1) {
      r.skip();
      continue;
    }
    const n = r.length();
    const [profiles = 0, samples = 0, events = 0, refers = 0] = found.subarray(at, at + 4);
    at += ProfilesFact.perResource;
    out.push(
      new EncodedResourceProfiles(source, r.pos, r.pos + n, { profiles, samples, events }, refers !== 0),
    );
    r.pos += n;
  }
  return out;
}
