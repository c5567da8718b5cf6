// SPDX-License-Identifier: Apache-2.0
import { Wire, type WireReader } from '../../internal/wire-reader.ts';
import { ProfilesFact as Fact, WireRevision } from '../../native/otlp-functions.ts';
import {
  checkEntityRef,
  checkKeyValue,
  checkUtf8,
  enter,
  readId,
  readRow,
  readVarint64,
  skipRows,
} from './fields.ts';
import { isShape } from './revision.ts';
import { TableField } from './scan-dictionary.ts';

/** Numbers of Sample's fields that changed in 1.10. */
export const SAMPLE_FIELDS = {
  older: { attributes: 3, link: 4, values: 2 },
  newer: { attributes: 2, link: 3, values: 4 },
} as const;

/** `comment_strindices`, a field that only 1.8 had. */
const COMMENT = -1;

/** Today's number of a Profile field that was written in the given revision. */
export function profileField(field: number, revision: number): number {
  if (revision !== WireRevision.v1_8 || field < 7 || field > 12) return field;
  return field === 7 ? COMMENT : field - 1;
}

/**
 * Checks all ResourceProfiles of the request in `r` and writes what they hold to `out` (`ProfilesFact`).
 * Throws DecodeError.
 */
export function scanProfiles(r: WireReader, revision: number, rows: Uint32Array, out: Uint32Array): void {
  out.fill(0);
  const scan = new ProfilesScan(r, revision, rows, out);
  for (let resource = 0; r.next(); ) {
    if (r.field !== 1) {
      r.skip();
      continue;
    }
    const outer = enter(r);
    scan.resourceProfiles(resource++ * Fact.perResource);
    r.end = outer;
  }
}

/** The checks of `scanProfiles`, message by message: each begins inside its message and goes to the reader's `end`. */
export class ProfilesScan {
  readonly #r: WireReader;
  readonly #revision: number;
  readonly #rows: Uint32Array;
  readonly #out: Uint32Array;
  /** Where the totals begin in `out`. */
  readonly #totals: number;
  readonly #fields: (typeof SAMPLE_FIELDS)['older' | 'newer'];
  #samples = 0;
  #events = 0;
  #sampleAttributes = 0;
  #values = 0;
  #timestamps = 0;

  constructor(r: WireReader, revision: number, rows: Uint32Array, out: Uint32Array) {
    this.#r = r;
    this.#revision = revision;
    this.#rows = rows;
    this.#out = out;
    this.#totals = out.length - Fact.size;
    this.#fields = revision === WireRevision.v1_10 ? SAMPLE_FIELDS.newer : SAMPLE_FIELDS.older;
  }

  #add(fact: number, n: number): void {
    const place = this.#totals + fact;
    this.#out[place] = (this.#out[place] as number) + n;
  }

  /** `place`: where the numbers of this resource go. */
  resourceProfiles(place: number): void {
    const r = this.#r;
    const out = this.#out;
    this.#samples = 0;
    this.#events = 0;
    let profiles = 0;
    while (r.next()) {
      switch (r.field) {
        case 1: {
          const outer = enter(r);
          this.resource();
          r.end = outer;
          break;
        }
        case 2: {
          const outer = enter(r);
          profiles += this.#scopeProfiles(place + 3);
          r.end = outer;
          break;
        }
        case 3:
          checkUtf8(r);
          break;
        default:
          r.skip();
      }
    }
    out[place] = profiles;
    out[place + 1] = this.#samples;
    out[place + 2] = this.#events;
    this.#add(Fact.profiles, profiles);
    this.#add(Fact.samples, this.#samples);
    this.#add(Fact.sampleAttributes, this.#sampleAttributes);
    this.#add(Fact.values, this.#values);
    this.#add(Fact.timestamps, this.#timestamps);
    this.#sampleAttributes = 0;
    this.#values = 0;
    this.#timestamps = 0;
  }

  resource(): void {
    const r = this.#r;
    while (r.next()) {
      if (r.field === 1) this.#attribute(-1);
      else if (r.field === 2) {
        r.expect(Wire.Varint);
        r.uint32();
      } else if (r.field === 3) checkEntityRef(r);
      else r.skip();
    }
  }

  /** Notes at `refers`, if that is a place, whether the attribute refers to the string table. */
  #attribute(refers: number): void {
    const r = this.#r;
    const outer = enter(r);
    const nested = this.#totals + Fact.attributes;
    this.#out[nested] = (this.#out[nested] as number) + 1;
    checkKeyValue(r, this.#rows[TableField.strings] as number, this.#out, refers, nested);
    r.end = outer;
  }

  #scopeProfiles(refers: number): number {
    const r = this.#r;
    let profiles = 0;
    this.#add(Fact.scopes, 1);
    while (r.next()) {
      switch (r.field) {
        case 1: {
          const outer = enter(r);
          this.scope(refers);
          r.end = outer;
          break;
        }
        case 2: {
          const outer = enter(r);
          this.profile();
          r.end = outer;
          profiles++;
          break;
        }
        case 3:
          checkUtf8(r);
          break;
        default:
          r.skip();
      }
    }
    return profiles;
  }

  /** Notes at `refers`, if that is a place, whether an attribute refers to the string table. */
  scope(refers: number): void {
    const r = this.#r;
    while (r.next()) {
      switch (r.field) {
        case 1:
        case 2:
          checkUtf8(r);
          break;
        case 3:
          this.#attribute(refers);
          break;
        case 4:
          r.expect(Wire.Varint);
          r.uint32();
          break;
        default:
          r.skip();
      }
    }
  }

  profile(): void {
    const r = this.#r;
    while (r.next()) {
      switch (profileField(r.field, this.#revision)) {
        case 1:
        case 5:
          this.#valueType();
          break;
        case 2: {
          const at = r.pos;
          const outer = enter(r);
          this.#sample(at);
          r.end = outer;
          break;
        }
        case 3:
          if (r.wire === Wire.Len) r.fail('profile of OTLP 1.7 or older among profiles of 1.8 or newer');
          r.expect(Wire.I64);
          r.fixed64();
          break;
        case 4:
        case 6:
          readVarint64(r);
          break;
        case 7:
          readId(r, 16, 'profile id');
          break;
        case 8:
          r.expect(Wire.Varint);
          r.uint32();
          break;
        case 9:
          checkUtf8(r);
          break;
        case 10:
          r.expect(Wire.Len);
          r.skip();
          break;
        case 11:
          this.#add(
            Fact.profileAttributes,
            skipRows(r, this.#rows[TableField.attributes] as number, 'attribute index'),
          );
          break;
        default:
          r.skip();
      }
    }
  }

  #valueType(): void {
    const r = this.#r;
    const outer = enter(r);
    while (r.next()) {
      if (r.field === 1 || r.field === 2) {
        readRow(r, this.#rows[TableField.strings] as number, 'string index');
      } else r.skip();
    }
    r.end = outer;
  }

  #sample(at: number): void {
    const r = this.#r;
    const rows = this.#rows;
    const fields = this.#fields;
    let values = 0;
    let timestamps = 0;
    while (r.next()) {
      switch (r.field) {
        case 1:
          readRow(r, rows[TableField.stacks] as number, 'stack index');
          break;
        case fields.attributes:
          this.#sampleAttributes += skipRows(r, rows[TableField.attributes] as number, 'attribute index');
          break;
        case fields.link:
          readRow(r, rows[TableField.links] as number, 'link index');
          break;
        case fields.values:
          values += skipVarints(r);
          break;
        case 5:
          timestamps += skipFixed64s(r);
          break;
        default:
          r.skip();
      }
    }
    if (!isShape(values, timestamps)) {
      r.fail(
        `sample with ${values} values and ${timestamps} timestamps: want one value, or timestamps alone, or as many of both`,
        at,
      );
    }
    this.#samples++;
    this.#events += timestamps === 0 ? 1 : timestamps;
    this.#values += values;
    this.#timestamps += timestamps;
  }
}

/** Checks a repeated 64-bit varint, packed or not; gives how many. */
function skipVarints(r: WireReader): number {
  if (r.wire === Wire.Varint) {
    r.varint64();
    return 1;
  }
  const outer = enter(r);
  let n = 0;
  for (; r.pos < r.end; n++) r.varint64();
  r.end = outer;
  return n;
}

/** The same for fixed64. */
function skipFixed64s(r: WireReader): number {
  if (r.wire === Wire.I64) {
    r.fixed64();
    return 1;
  }
  const outer = enter(r);
  const n = r.end - r.pos;
  if ((n & 7) !== 0) r.fail('packed fixed64 list of a length that is no multiple of 8');
  r.pos = r.end;
  r.end = outer;
  return n >>> 3;
}
