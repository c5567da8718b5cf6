// SPDX-License-Identifier: Apache-2.0
import { Wire, WireReader } from '../../internal/wire-reader.ts';
import { type KeyValue, readUtf8 } from '../../pdata/any-value.ts';
import type { Attributes } from '../../pdata/attributes.ts';
import { DictionaryBuilder } from '../../pdata/dictionary-builder.ts';
import {
  type Profile,
  ProfilesBatch,
  type Resource,
  type ResourceProfiles,
  type ScopeProfiles,
} from '../../pdata/profiles-batch.ts';
import { Cost, MemoryBudget } from './budget.ts';
import { checkEntityRef, enter, Ranges } from './fields.ts';
export { isOtlp17 } from './legacy-1-7-detect.ts';
import { readDictionary17 } from './legacy-1-7-dictionary.ts';
import { readAttribute } from './legacy-1-7-fields.ts';
import { ProfileReader17, type Profiles17 } from './legacy-1-7-profile.ts';

/**
 * Reads an ExportProfilesServiceRequest of OTLP 1.7.0 into today's model:
 *
 * - a profile of n sample types becomes n profiles, the default type first; where n > 1 they get a scope
 *   message of their own with `pprof.scope.default_sample_type` and `.sample_type_order`. The profile id and
 *   the original payload stay with the first
 * - ranges of location_indices become stacks, attribute_units the units of attributes
 * - comments, `has_*` of mappings and `is_folded` of locations become `pprof.*` attributes
 *
 * Dropped are the aggregation temporality and unknown fields, but those of the resource. Refused are requests
 * without a dictionary, so OTLP 1.3 to 1.6. Throws DecodeError with the byte offset. The batch keeps views
 * of `bytes` only for profile ids, payloads and unknown fields.
 * Source: opentelemetry-proto v1.7.0, profiles/v1development/profiles.proto
 */
export function decodeOtlp17(bytes: Uint8Array): ProfilesBatch {
  const r = new WireReader(
    new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length),
    'OTLP profiles of revision 1.7',
  );
  const budget = new MemoryBudget(bytes.length);
  const builder = new DictionaryBuilder();
  const rows = readDictionary17(r, builder, budget);
  r.pos = 0;
  const resources = new ResourceReader17(new ProfileReader17(rows, builder, budget), budget).readAll(r);
  return new ProfilesBatch(builder.build(), resources);
}

class ResourceReader17 {
  readonly #profiles: ProfileReader17;
  readonly #budget: MemoryBudget;

  constructor(profiles: ProfileReader17, budget: MemoryBudget) {
    this.#profiles = profiles;
    this.#budget = budget;
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
    const scopes: ScopeProfiles[] = [];
    let droppedAttributesCount = 0;
    let schemaUrl = '';
    while (r.next()) {
      if (r.field === 1) {
        const outer = enter(r);
        for (let at = r.pos; r.next(); at = r.pos) {
          if (r.field === 1) attributes.push(readAttribute(r, this.#budget));
          else if (r.field === 2) droppedAttributesCount = readCount(r);
          else {
            if (r.field === 3) checkEntityRef(r);
            else r.skip();
            unknown.add(at, r.pos);
          }
        }
        r.end = outer;
      } else if (r.field === 2) {
        const outer = enter(r);
        for (const scope of this.#readScopeProfiles(r)) scopes.push(scope);
        r.end = outer;
      } else if (r.field === 3) schemaUrl = readText(r);
      else r.skip();
    }
    const resource: Resource = { attributes, droppedAttributesCount, unknown: unknown.join() };
    return { resource, schemaUrl, scopes };
  }

  #readScopeProfiles(r: WireReader): ScopeProfiles[] {
    this.#budget.charge(r, Cost.scope);
    const scope = { name: '', version: '', attributes: [] as KeyValue[], droppedAttributesCount: 0 };
    const profiles: Profiles17[] = [];
    let schemaUrl = '';
    while (r.next()) {
      if (r.field === 1) {
        const outer = enter(r);
        while (r.next()) {
          if (r.field === 1) scope.name = readText(r);
          else if (r.field === 2) scope.version = readText(r);
          else if (r.field === 3) scope.attributes.push(readAttribute(r, this.#budget));
          else if (r.field === 4) scope.droppedAttributesCount = readCount(r);
          else r.skip();
        }
        r.end = outer;
      } else if (r.field === 2) {
        const outer = enter(r);
        profiles.push(this.#profiles.read(r));
        r.end = outer;
      } else if (r.field === 3) schemaUrl = readText(r);
      else r.skip();
    }
    return grouped(profiles).map(({ attributes, members }) => ({
      scope: { ...scope, attributes: withoutKeysOf(scope.attributes, attributes).concat(attributes) },
      schemaUrl,
      profiles: members,
    }));
  }
}

interface Group {
  readonly attributes: Attributes;
  readonly members: Profile[];
}

/** Profiles of several types stand alone, since their scope says how they belong together. */
function grouped(profiles: readonly Profiles17[]): Group[] {
  const groups: Group[] = [];
  let open: Group | undefined;
  for (const { profiles: members, scopeAttributes: attributes } of profiles) {
    if (open !== undefined && attributes.length === 0) {
      open.members.push(...members);
      continue;
    }
    const group: Group = { attributes, members: [...members] };
    groups.push(group);
    open = attributes.length === 0 ? group : undefined;
  }
  return groups.length === 0 ? [{ attributes: [], members: [] }] : groups;
}

function withoutKeysOf(attributes: Attributes, keys: Attributes): Attributes {
  return attributes.filter((a) => !keys.some((k) => k.key === a.key));
}

function readText(r: WireReader): string {
  r.expect(Wire.Len);
  return readUtf8(r);
}

function readCount(r: WireReader): number {
  r.expect(Wire.Varint);
  return r.uint32();
}
