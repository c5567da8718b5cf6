// SPDX-License-Identifier: Apache-2.0
import { Wire, WireReader } from '../../internal/wire-reader.ts';
import { type KeyValue, readKeyValue, readUtf8 } from '../../pdata/any-value.ts';
import {
  type Profile,
  ProfilesBatch,
  type Resource,
  type ResourceProfiles,
  type Scope,
  type ScopeProfiles,
} from '../../pdata/profiles-batch.ts';
import { Cost, MemoryBudget } from './budget.ts';
import { type DecodedDictionary, decodeDictionary } from './decode-dictionary.ts';
import { ProfileReader } from './decode-profile.ts';
import { checkKeyValue, enter, Ranges } from './fields.ts';
import { detectRevision, formOf, hasSamples, type Revision } from './revision.ts';

const FORMAT = 'OTLP profiles';

/** A decoded request and the wire revision it was written in. */
export interface DecodedOtlp {
  readonly batch: ProfilesBatch;
  readonly revision: Revision;
}

/**
 * Reads an ExportProfilesServiceRequest or ProfilesData, revisions 1.8 to 1.11, into columns. Every
 * length, wire type, index and string is checked. The batch keeps `bytes`, which must not change from
 * then on, to splice what nobody edits. Throws DecodeError with the byte offset.
 */
export function decodeOtlp(bytes: Uint8Array): ProfilesBatch {
  return decodeOtlpDetailed(bytes).batch;
}

/** Like `decodeOtlp`, and tells the revision. */
export function decodeOtlpDetailed(bytes: Uint8Array): DecodedOtlp {
  // A plain view: a Buffer's subarray is slower and would leak Buffers into attribute values.
  const r = new WireReader(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length), FORMAT);
  const budget = new MemoryBudget(bytes.length);
  const dictionary = readDictionary(r, budget);
  r.pos = 0;
  const revision = detectRevision(r, dictionary.dictionary.tables.attributes.key, dictionary.refers);
  r.pos = 0;
  const resources = new ResourceReader(dictionary, revision, budget).readAll(r);
  return { batch: new ProfilesBatch(dictionary.dictionary, resources), revision };
}

function readDictionary(r: WireReader, budget: MemoryBudget): DecodedDictionary {
  const ranges = new Ranges(r.bytes);
  let found = 0;
  while (r.next()) {
    if (r.field !== 2) {
      r.skip();
      continue;
    }
    r.expect(Wire.Len);
    const n = r.length();
    ranges.add(r.pos, r.pos + n);
    r.pos += n;
    found++;
  }
  r.pos = 0;
  if (found === 0 && hasSamples(r)) {
    r.fail('samples without a dictionary (OTLP 1.7 and older had none here; 1.8 and newer are supported)', 0);
  }
  const message = ranges.join();
  // In place where it is one piece, so that offsets in errors count from the start of the request.
  const inPlace = message.buffer === r.bytes.buffer;
  const from = inPlace ? message.byteOffset - r.bytes.byteOffset : 0;
  const source = inPlace ? r.bytes : message;
  return decodeDictionary(new WireReader(source, FORMAT, from, from + message.length), budget);
}

class ResourceReader {
  readonly #dictionary: DecodedDictionary;
  readonly #budget: MemoryBudget;
  readonly #profiles: ProfileReader;
  /** Undefined where other field numbers than those of a revision that can be written are used. */
  readonly #form: string | undefined;
  readonly #text: (row: number) => string;

  constructor(dictionary: DecodedDictionary, revision: Revision, budget: MemoryBudget) {
    this.#dictionary = dictionary;
    this.#budget = budget;
    this.#profiles = new ProfileReader(dictionary.sizes, revision, budget);
    this.#form = revision === '1.8' ? undefined : formOf(revision);
    this.#text = (row) => dictionary.dictionary.text(row);
  }

  readAll(r: WireReader): ResourceProfiles[] {
    const resources: ResourceProfiles[] = [];
    while (r.next()) {
      if (r.field !== 1) {
        r.skip();
        continue;
      }
      const outer = enter(r);
      resources.push(this.#readResourceProfiles(r));
      r.end = outer;
    }
    return resources;
  }

  #readResourceProfiles(r: WireReader): ResourceProfiles {
    this.#budget.charge(r, Cost.resource);
    const attributes: KeyValue[] = [];
    const unknown = new Ranges(r.bytes);
    const rest = new Ranges(r.bytes);
    const scopes: ScopeProfiles[] = [];
    let droppedAttributesCount = 0;
    let schemaUrl = '';
    let spliceable = true;
    for (let at = r.pos; r.next(); at = r.pos) {
      switch (r.field) {
        case 1: {
          const outer = enter(r);
          droppedAttributesCount = this.#readResource(r, attributes, unknown, droppedAttributesCount);
          r.end = outer;
          break;
        }
        case 2: {
          const outer = enter(r);
          const scope = this.#readScopeProfiles(r);
          scopes.push(scope.profiles);
          spliceable &&= !scope.refers;
          r.end = outer;
          rest.add(at, r.pos);
          break;
        }
        case 3:
          r.expect(Wire.Len);
          schemaUrl = readUtf8(r);
          break;
        default:
          r.skip();
          rest.add(at, r.pos);
      }
    }
    const resource: Resource = { attributes, droppedAttributesCount, unknown: unknown.join() };
    const form = spliceable ? this.#form : undefined;
    const encodedScopes = form === undefined ? undefined : { form, bytes: rest.join() };
    return { resource, schemaUrl, scopes, encodedScopes };
  }

  /** Adds to `attributes` and `unknown`; gives the dropped attributes count. */
  #readResource(r: WireReader, attributes: KeyValue[], unknown: Ranges, dropped: number): number {
    let count = dropped;
    for (let at = r.pos; r.next(); at = r.pos) {
      switch (r.field) {
        case 1:
          this.#readAttribute(r, attributes);
          break;
        case 2:
          r.expect(Wire.Varint);
          count = r.uint32();
          break;
        default:
          r.skip();
          unknown.add(at, r.pos);
      }
    }
    return count;
  }

  /** True where the attribute refers to the string table. */
  #readAttribute(r: WireReader, into: KeyValue[]): boolean {
    const outer = enter(r);
    this.#budget.charge(r, Cost.attribute);
    const from = r.pos;
    const refers = checkKeyValue(r, this.#dictionary.sizes.strings);
    r.pos = from;
    into.push(readKeyValue(r, this.#text));
    r.end = outer;
    return refers;
  }

  #readScopeProfiles(r: WireReader): { profiles: ScopeProfiles; refers: boolean } {
    this.#budget.charge(r, Cost.scope);
    const profiles: Profile[] = [];
    const scope = {
      name: '',
      version: '',
      attributes: [] as KeyValue[],
      droppedAttributesCount: 0,
      refers: false,
    };
    let schemaUrl = '';
    while (r.next()) {
      switch (r.field) {
        case 1: {
          const outer = enter(r);
          this.#readScope(r, scope);
          r.end = outer;
          break;
        }
        case 2: {
          const outer = enter(r);
          profiles.push(this.#profiles.read(r));
          r.end = outer;
          break;
        }
        case 3:
          r.expect(Wire.Len);
          schemaUrl = readUtf8(r);
          break;
        default:
          r.skip();
      }
    }
    const { refers, ...plain } = scope;
    return { profiles: { scope: plain satisfies Scope, schemaUrl, profiles }, refers };
  }

  #readScope(
    r: WireReader,
    scope: { -readonly [K in keyof Scope]: Scope[K] } & { attributes: KeyValue[]; refers: boolean },
  ): void {
    while (r.next()) {
      switch (r.field) {
        case 1:
          r.expect(Wire.Len);
          scope.name = readUtf8(r);
          break;
        case 2:
          r.expect(Wire.Len);
          scope.version = readUtf8(r);
          break;
        case 3:
          if (this.#readAttribute(r, scope.attributes)) scope.refers = true;
          break;
        case 4:
          r.expect(Wire.Varint);
          scope.droppedAttributesCount = r.uint32();
          break;
        default:
          r.skip();
      }
    }
  }
}
