// SPDX-License-Identifier: Apache-2.0
import { DecodeError, WireReader } from '../../internal/wire-reader.ts';
import { ProfilesFact } from '../../native/otlp-functions.ts';
import { checkUtf8, eachMessage, enter, FORMAT } from './fields.ts';
import { ProfilesScan } from './scan-profiles.ts';

/** A sender of which more is wrong in one request is broken itself; each fault costs an error object. */
const MAX_FAULTS = 1000;

/** What is left of a request. */
export interface GoodProfiles {
  /** The request without its broken profiles. */
  readonly bytes: Uint8Array;
  readonly kept: number;
  readonly rejected: number;
  /** The first thing that is wrong, by its place in the whole request; undefined where nothing is. */
  readonly firstError: DecodeError | undefined;
}

/**
 * A copy of the request in `bytes` without the Profile messages that `scanProfiles` would refuse. Of a
 * ResourceProfiles whose resource, a scope or another part is wrong every profile counts as broken. Throws
 * DecodeError where the profiles cannot be told apart, where there are none in a broken ResourceProfiles, and
 * where more than 1000 things are wrong. One pass, in place of the copy.
 */
export function goodProfiles(bytes: Uint8Array, revision: number, rows: Uint32Array): GoodProfiles {
  return new Sieve(bytes, revision, rows).run();
}

class Sieve {
  readonly #r: WireReader;
  readonly #scan: ProfilesScan;
  /** The request, overwritten from the start: what is kept never comes before its place in the request. */
  readonly #out: Uint8Array;
  #end = 0;
  #kept = 0;
  #rejected = 0;
  #faults = 0;
  #firstError: DecodeError | undefined;

  constructor(bytes: Uint8Array, revision: number, rows: Uint32Array) {
    this.#r = new WireReader(bytes, FORMAT);
    this.#scan = new ProfilesScan(this.#r, revision, rows, new Uint32Array(ProfilesFact.size));
    this.#out = bytes.slice();
  }

  run(): GoodProfiles {
    const r = this.#r;
    for (let at = r.pos; r.next(); at = r.pos) {
      if (r.field === 1) this.#resourceProfiles(at);
      else {
        r.skip();
        this.#keep(at, r.pos);
      }
    }
    const [bytes, firstError] = [this.#out.subarray(0, this.#end), this.#firstError];
    return { bytes, kept: this.#kept, rejected: this.#rejected, firstError };
  }

  #resourceProfiles(at: number): void {
    const r = this.#r;
    const outer = enter(r);
    const { pos, end } = r;
    const [length, kept, rejected] = [this.#end, this.#kept, this.#rejected];
    try {
      this.#message(at, () => this.#resourceFields());
    } catch (error) {
      if (this.#faults > MAX_FAULTS) throw error;
      r.pos = pos;
      r.end = end;
      const profiles = this.#countProfiles();
      [this.#end, this.#kept, this.#rejected] = [length, kept, rejected];
      this.#reject(error, profiles);
    }
    r.pos = end;
    r.end = outer;
  }

  #resourceFields(): void {
    const r = this.#r;
    for (let at = r.pos; r.next(); at = r.pos) {
      if (r.field === 2) {
        const outer = enter(r);
        this.#message(at, () => this.#scopeFields());
        r.end = outer;
      } else this.#part(at, () => this.#scan.resource());
    }
  }

  #scopeFields(): void {
    const r = this.#r;
    for (let at = r.pos; r.next(); at = r.pos) {
      if (r.field === 2) this.#profile(at);
      else this.#part(at, () => this.#scan.scope(-1));
    }
  }

  /** The fields beside the list, which a ResourceProfiles and a ScopeProfiles have under the same numbers. */
  #part(at: number, check: () => void): void {
    const r = this.#r;
    if (r.field === 1) {
      const outer = enter(r);
      check();
      r.end = outer;
    } else if (r.field === 3) checkUtf8(r);
    else r.skip();
    this.#keep(at, r.pos);
  }

  #profile(at: number): void {
    const r = this.#r;
    const outer = enter(r);
    const { end } = r;
    try {
      this.#scan.profile();
      this.#keep(at, end);
      this.#kept++;
    } catch (error) {
      this.#reject(error, 1);
    }
    r.pos = end;
    r.end = outer;
  }

  #reject(error: unknown, profiles: number): void {
    if (!(error instanceof DecodeError)) throw error;
    this.#firstError ??= error;
    if (profiles === 0 || ++this.#faults > MAX_FAULTS) throw this.#firstError;
    this.#rejected += profiles;
  }

  /** Profiles of the ResourceProfiles that the reader stands in. */
  #countProfiles(): number {
    const r = this.#r;
    let n = 0;
    const each = (body: () => void): void => eachMessage(r, 2, () => false, body);
    each(() => each(() => n++));
    return n;
  }

  #keep(from: number, to: number): void {
    this.#out.copyWithin(this.#end, from, to);
    this.#end += to - from;
  }

  /** Writes the message whose tag is at `at` and whose fields, behind the reader, `body` keeps or leaves out. */
  #message(at: number, body: () => void): void {
    const out = this.#out;
    const start = this.#end;
    const from = start + this.#r.pos - at;
    // The tags of fields 1 and 2 are one byte; a length that shrinks takes no more bytes than before.
    const tag = (this.#r.field << 3) | this.#r.wire;
    this.#end = from;
    body();
    let rest = this.#end - from;
    let to = start;
    out[to++] = tag;
    for (; rest >= 0x80; rest >>>= 7) out[to++] = (rest & 0x7f) | 0x80;
    out[to++] = rest;
    out.copyWithin(to, from, this.#end);
    this.#end -= from - to;
  }
}
