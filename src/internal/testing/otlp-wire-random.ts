// SPDX-License-Identifier: Apache-2.0
import type { Random } from './otlp-random.ts';

/** [field number, kind, limit or message]. `*` behind a kind: repeated. */
type Field = readonly [number: number, kind: Kind, of?: string];
type Kind = 'row' | 'row*' | 'u32' | 'u64' | 'fixed64' | 'text' | 'bytes' | 'id' | 'message' | 'message*';

const LINE: readonly Field[] = [
  [1, 'row', 'functions'],
  [2, 'u64'],
  [3, 'u64'],
];
const VALUE_TYPE: readonly Field[] = [
  [1, 'row', 'strings'],
  [2, 'row', 'strings'],
];

const MESSAGES: Readonly<Record<string, readonly Field[]>> = {
  mapping: [
    [1, 'u64'],
    [2, 'u64'],
    [3, 'u64'],
    [4, 'row', 'strings'],
    [5, 'row*', 'attributes'],
  ],
  location: [
    [1, 'row', 'mappings'],
    [2, 'u64'],
    [3, 'message*', 'line'],
    [4, 'row*', 'attributes'],
  ],
  line: LINE,
  function: [
    [1, 'row', 'strings'],
    [2, 'row', 'strings'],
    [3, 'row', 'strings'],
    [4, 'u64'],
  ],
  link: [
    [1, 'id', '16'],
    [2, 'id', '8'],
  ],
  attribute: [
    [1, 'row', 'strings'],
    [2, 'message', 'value'],
    [3, 'row', 'strings'],
  ],
  stack: [[1, 'row*', 'locations']],
  keyValue: [
    [1, 'text'],
    [2, 'message', 'value'],
  ],
  keyReference: [
    [2, 'message', 'value'],
    [3, 'row', 'strings'],
  ],
  array: [[1, 'message*', 'value']],
  map: [[1, 'message*', 'keyValue']],
  resource: [
    [1, 'message*', 'keyValue'],
    [2, 'u32'],
  ],
  scope: [
    [1, 'text'],
    [2, 'text'],
    [3, 'message*', 'keyValue'],
    [4, 'u32'],
  ],
  resourceProfiles: [
    [1, 'message', 'resource'],
    [2, 'message*', 'scopeProfiles'],
    [3, 'text'],
  ],
  scopeProfiles: [
    [1, 'message', 'scope'],
    [2, 'message*', 'profile'],
    [3, 'text'],
  ],
  valueType: VALUE_TYPE,
  request: [[1, 'message*', 'resourceProfiles']],
};

const TABLES = ['', 'mapping', 'location', 'function', 'link', '', 'attribute', 'stack'] as const;
const LIMITS = ['', 'mappings', 'locations', 'functions', 'links', 'strings', 'attributes', 'stacks'];
const TEXTS = ['', 'main', 'x'.repeat(40), 'größe', '日本', '🔥', '\u0000', 'abcdefgh', 'abcdefghé'];
const NOT_TEXTS = [
  '80',
  'c080',
  'c1bf',
  'e08080',
  'eda080',
  'edbfbf',
  'f0808080',
  'f4908080',
  'f5808080',
  'c3',
]
  .concat(['e282', 'f09f94', 'fe', '6161616161616161ff', 'e28282c3', 'f8a8a8a8'])
  .map((hex) => Buffer.from(hex, 'hex'));

/** Messages and what an index in them may name. */
export interface RandomWire {
  /** A ProfilesDictionary. */
  readonly dictionary: Uint8Array;
  /** A request with the fields 1 alone. */
  readonly profiles: Uint8Array;
  readonly revision: number;
  /** Rows of the tables by field number, at least 1. */
  readonly rows: Uint32Array;
}

/**
 * OTLP as no sane encoder writes it, yet mostly valid: fields in any order and given twice, lists packed and not,
 * varints longer than need be, unknown fields, tables that interleave. One thing in `wrongOneIn`, if given, is
 * wrong: a wire type, an index, a length, a shape, a string.
 */
export function randomOtlpWire(random: Random, wrongOneIn?: number): RandomWire {
  return new WireMaker(random, wrongOneIn).make();
}

class WireMaker {
  readonly #random: Random;
  readonly #wrongOneIn: number | undefined;
  readonly #revision: number;
  readonly #limits = new Map<string, number>();

  constructor(random: Random, wrongOneIn: number | undefined) {
    this.#random = random;
    this.#wrongOneIn = wrongOneIn;
    this.#revision = random.below(3);
  }

  make(): RandomWire {
    const encoded: Buffer[] = [];
    const counts = TABLES.map((_, field) =>
      field === 0 ? 0 : this.#chance(6) ? 0 : 1 + this.#random.below(this.#chance(3) ? 200 : 5),
    );
    counts.forEach((count, field) => this.#limits.set(LIMITS[field] ?? '', Math.max(1, count)));
    for (let field = 1; field < TABLES.length; field++) {
      for (let row = counts[field] ?? 0; row > 0; row--) {
        encoded.push(this.#len(field, field === 5 ? this.#text() : this.#message(TABLES[field] ?? '', 0)));
      }
    }
    if (this.#chance(3)) this.#shuffle(encoded);
    if (this.#chance(4)) encoded.push(this.#unknown(8));
    const dictionary = Buffer.concat(encoded);
    const rows = Uint32Array.from(counts, (count) => Math.max(1, count));
    return { dictionary, profiles: this.#message('request', 0), revision: this.#revision, rows };
  }

  #chance(oneIn: number): boolean {
    return this.#random.below(oneIn) === 0;
  }

  get #isWrong(): boolean {
    return this.#wrongOneIn !== undefined && this.#chance(this.#wrongOneIn);
  }

  #shuffle(list: Buffer[]): void {
    for (let i = list.length - 1; i > 0; i--) {
      const j = this.#random.below(i + 1);
      [list[i], list[j]] = [list[j] as Buffer, list[i] as Buffer];
    }
  }

  #message(named: string, depth: number): Buffer {
    // A key is given as text or by reference, never both.
    const name = named === 'keyValue' && this.#chance(2) ? 'keyReference' : named;
    if (name === 'value') return this.#value(depth);
    if (name === 'sample') return this.#sample();
    const schema = name === 'profile' ? this.#profileSchema() : (MESSAGES[name] ?? []);
    const parts = schema.flatMap((field) => this.#field(field, depth));
    if (this.#chance(3)) this.#shuffle(parts);
    if (this.#chance(8)) parts.push(this.#unknown(1 + Math.max(12, ...schema.map(([number]) => number))));
    return Buffer.concat(parts);
  }

  #profileSchema(): readonly Field[] {
    const shift = this.#revision === 0 ? 1 : 0;
    const comment: readonly Field[] =
      shift === 1 ? [[7, (['u64', 'text', 'row*'] as const)[this.#random.below(3)] ?? 'u64', 'strings']] : [];
    return [
      [1, 'message', 'valueType'],
      [2, 'message*', 'sample'],
      [3, 'fixed64'],
      [4, 'u64'],
      [5, 'message', 'valueType'],
      [6, 'u64'],
      ...comment,
      [7 + shift, 'id', '16'],
      [8 + shift, 'u32'],
      [9 + shift, 'text'],
      [10 + shift, 'bytes'],
      [11 + shift, 'row*', 'attributes'],
    ];
  }

  #field([number, kind, of = '']: Field, depth: number): Buffer[] {
    const random = this.#random;
    if (this.#isWrong) return [this.#anyField(number)];
    if (kind === 'row*')
      return this.#list(
        number,
        random.list(this.#chance(10) ? 90 : 4, () => this.#varint(this.#row(of))),
      );
    if (kind === 'message*') {
      return random.list(depth > 3 ? 1 : 3, () => this.#len(number, this.#message(of, depth + 1)));
    }
    // Twice now and then; a second value in an attribute is an error.
    const times = this.#chance(4) ? 0 : this.#chance(10) && (of !== 'value' || this.#isWrong) ? 2 : 1;
    return Array.from({ length: times }, () => this.#one(number, kind, of, depth));
  }

  #one(number: number, kind: Kind, of: string, depth: number): Buffer {
    const random = this.#random;
    switch (kind) {
      case 'row':
        return this.#tagged(number, 0, this.#varint(this.#row(of)));
      case 'u32':
        return this.#tagged(
          number,
          0,
          this.#varint(this.#isWrong ? 1n << 32n : BigInt(random.u64()) & 0xffff_ffffn),
        );
      case 'u64':
        return this.#tagged(number, 0, this.#varint(BigInt(random.u64())));
      case 'fixed64':
        return this.#tagged(number, 1, random.bytes(8));
      case 'text':
        return this.#len(number, this.#text());
      case 'bytes':
        return this.#len(number, random.bytes(random.below(6)));
      case 'id':
        return this.#len(number, random.bytes(this.#isWrong ? 7 : random.below(4) === 0 ? 0 : Number(of)));
      default:
        return this.#len(number, this.#message(of, depth + 1));
    }
  }

  #value(depth: number): Buffer {
    const kinds = this.#isWrong ? 2 : this.#chance(5) ? 0 : 1;
    const deep = depth > 4;
    const parts = Array.from({ length: kinds }, () => {
      switch (1 + this.#random.below(8)) {
        case 1:
          return this.#one(1, 'text', '', depth);
        case 2:
        case 3:
          return this.#one(2 + this.#random.below(2), 'u64', '', depth);
        case 4:
          return this.#one(4, 'fixed64', '', depth);
        case 5:
          return this.#one(5, 'message', deep ? '' : 'array', depth);
        case 6:
          return this.#one(6, 'message', deep ? '' : 'map', depth);
        case 7:
          return this.#one(7, 'bytes', '', depth);
        default:
          return this.#one(8, 'row', 'strings', depth);
      }
    });
    if (this.#chance(10)) parts.push(this.#unknown(9));
    return Buffer.concat(parts);
  }

  #sample(): Buffer {
    const random = this.#random;
    const [attributes, link, values] = this.#revision === 2 ? [2, 3, 4] : [3, 4, 2];
    const timestamps = random.below(4);
    const count = this.#isWrong ? 7 : timestamps === 0 ? 1 : random.below(2) * timestamps;
    const list = (n: number, make: () => Buffer): Buffer[] => Array.from({ length: n }, make);
    const parts = [
      ...this.#field([1, 'row', 'stacks'], 0),
      ...this.#field([attributes, 'row*', 'attributes'], 0),
      ...this.#field([link, 'row', 'links'], 0),
      ...this.#list(
        values,
        list(count, () => this.#varint(BigInt(random.u64()))),
      ),
      ...this.#list(
        5,
        list(timestamps, () => random.bytes(this.#isWrong ? 7 : 8)),
        1,
      ),
    ];
    if (this.#chance(4)) this.#shuffle(parts);
    if (this.#chance(20)) parts.push(this.#unknown(6));
    return Buffer.concat(parts);
  }

  /** A repeated number: packed, one by one, or partly so. */
  #list(number: number, items: Buffer[], wire = 0): Buffer[] {
    const packed = this.#chance(2) ? items.length : this.#random.below(items.length + 1);
    const parts = items.slice(packed).map((item) => this.#tagged(number, wire, item));
    if (packed > 0 || this.#chance(3))
      parts.unshift(this.#len(number, Buffer.concat(items.slice(0, packed))));
    return parts;
  }

  #row(table: string): bigint {
    const limit = this.#limits.get(table) ?? 1;
    if (!this.#isWrong) return BigInt(this.#random.below(limit));
    return [BigInt(limit), 2n ** 31n, 2n ** 32n, 2n ** 64n - 1n][this.#random.below(4)] ?? 0n;
  }

  #text(): Buffer {
    if (this.#isWrong) return NOT_TEXTS[this.#random.below(NOT_TEXTS.length)] ?? Buffer.alloc(0);
    return Buffer.from(TEXTS[this.#random.below(TEXTS.length)] ?? '');
  }

  /** A field of a random wire type. */
  #anyField(number: number): Buffer {
    const wire = this.#random.below(8);
    const body = [
      this.#varint(1n),
      this.#random.bytes(8),
      Buffer.of(2, 0, 0),
      undefined,
      undefined,
      Buffer.alloc(4),
    ][wire];
    return this.#tagged(number, wire, body ?? Buffer.alloc(0));
  }

  #unknown(from: number): Buffer {
    const number = from + this.#random.below(this.#chance(3) ? 2 ** 29 - from : 20);
    const wire = [0, 1, 2, 5][this.#random.below(4)] ?? 0;
    const body = { 0: this.#varint(BigInt(this.#random.u64())), 1: Buffer.alloc(8), 2: Buffer.of(1, 9) }[
      wire
    ];
    return this.#tagged(number, wire, body ?? Buffer.alloc(4));
  }

  #tagged(number: number, wire: number, body: Buffer): Buffer {
    return Buffer.concat([this.#varint(BigInt(number) * 8n + BigInt(wire)), body]);
  }

  #len(number: number, body: Buffer): Buffer {
    const length = this.#isWrong ? body.length + 1 : body.length;
    return this.#tagged(number, 2, Buffer.concat([this.#varint(BigInt(length)), body]));
  }

  #varint(value: bigint): Buffer {
    const out: number[] = [];
    let rest = value;
    for (; rest >= 0x80n; rest >>= 7n) out.push(Number(rest & 0x7fn) | 0x80);
    out.push(Number(rest));
    if (this.#chance(30)) {
      out[out.length - 1] = (out[out.length - 1] as number) | 0x80;
      const room = 10 - out.length + (this.#isWrong ? 1 : 0);
      if (room <= 0) out[out.length - 1] = Number(rest);
      else out.push(...Array<number>(this.#random.below(room)).fill(0x80), 0);
    }
    return Buffer.from(out);
  }
}
