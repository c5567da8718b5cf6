// SPDX-License-Identifier: Apache-2.0

type Column = Int32Array | Uint32Array | Uint8Array | BigUint64Array | BigInt64Array;

/** One sample of a block drawn by hand: frames leaf first. */
export interface DrawnSample {
  readonly pid: number;
  readonly name?: string;
  readonly container?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly frames: readonly string[];
  readonly tid?: number;
  readonly cpu?: number;
  readonly comm?: string;
  readonly kind?: number;
  readonly flags?: number;
  readonly times: readonly bigint[];
  readonly values?: readonly bigint[];
  readonly probe?: number;
  /** Trace id and span id in hex, 48 digits. */
  readonly span?: string;
}

/** Sections into one block, as native/addon/block.h lays them out. */
export function writeSections(
  sections: ReadonlyMap<number, Column>,
  window: readonly [bigint, bigint] = [1_000n, 2_000n],
): ArrayBuffer {
  let size = 32 + sections.size * 16;
  const places = [...sections].map(([id, column]) => {
    size = (size + 7) & ~7;
    const place = { id, column, offset: size };
    size += column.byteLength;
    return place;
  });
  const buffer = new ArrayBuffer(size);
  const view = new DataView(buffer);
  [0x4b42504f, 1, size, sections.size].forEach((word, i) => view.setUint32(i * 4, word, true));
  view.setBigUint64(16, window[0], true);
  view.setBigUint64(24, window[1], true);
  places.forEach(({ id, column, offset }, i) => {
    [id, column.length, offset, column.byteLength].forEach((word, j) =>
      view.setUint32(32 + i * 16 + j * 4, word, true),
    );
    new Uint8Array(buffer, offset).set(new Uint8Array(column.buffer, column.byteOffset, column.byteLength));
  });
  return buffer;
}

/** Interns values; `rows` keeps them in order. */
function table<T>(first: T): { rows: T[]; row(value: T): number } {
  const rows = [first];
  return {
    rows,
    row(value) {
      const at = rows.findIndex((r) => JSON.stringify(r) === JSON.stringify(value));
      return at >= 0 ? at : rows.push(value) - 1;
    },
  };
}

/** Sections of a block with these samples; change one to make a bad block. */
export function drawSections(samples: readonly DrawnSample[]): Map<number, Column> {
  const strings = table('');
  const mapping = [strings.row(''), strings.row('app'), strings.row('aabbcc'), strings.row('00ff')];
  const functions = table(0);
  const stacks = table<number[]>([]);
  const spans = table('0'.repeat(48));
  const pids = [...new Set(samples.map((s) => s.pid))];
  const of = (pid: number): DrawnSample => samples.find((s) => s.pid === pid) as DrawnSample;
  const env = pids.map((pid) => Object.entries(of(pid).env ?? {}));
  const prefix = (lengths: readonly number[]): Uint32Array => {
    let sum = 0;
    return Uint32Array.from([0, ...lengths.map((n) => (sum += n))]);
  };
  const stackRows = samples.map((s) => stacks.row(s.frames.map((f) => functions.row(strings.row(f)))));
  const name = (pid: number): string => of(pid).name ?? 'app';
  const sections = new Map<number, Column>([
    [10, Int32Array.from(pids)],
    [11, Int32Array.from(pids, (p) => strings.row(name(p)))],
    [12, Int32Array.from(pids, (p) => strings.row(`/bin/${name(p)}`))],
    [13, Int32Array.from(pids, (p) => strings.row(of(p).container ?? ''))],
    [14, prefix(env.map((e) => e.length))],
    [15, Int32Array.from(env.flat(), ([k]) => strings.row(k))],
    [16, Int32Array.from(env.flat(), ([, v]) => strings.row(v))],
    [20, BigUint64Array.of(0n, 0x1000n)],
    [21, BigUint64Array.of(0n, 0x9000n)],
    [22, BigUint64Array.of(0n, 0n)],
    [23, Int32Array.of(0, mapping[1] ?? 0)],
    [24, Int32Array.of(0, mapping[2] ?? 0)],
    [25, Int32Array.of(0, 0)],
    [26, Int32Array.of(0, mapping[3] ?? 0)],
    [30, Int32Array.from(functions.rows)],
    [31, new Int32Array(functions.rows.length)],
    [32, new Int32Array(functions.rows.length)],
    [33, new Uint32Array(functions.rows.length)],
    [40, Int32Array.from(functions.rows, (_, i) => Math.min(i, 1))],
    [41, BigUint64Array.from(functions.rows, (_, i) => (i === 0 ? 0n : 0x1000n + BigInt(i)))],
    [42, Uint8Array.from(functions.rows, (_, i) => Math.min(i, 1))],
    [43, prefix(functions.rows.map((_, i) => Math.min(i, 1)))],
    [44, Int32Array.from(functions.rows.slice(1), (_, i) => i + 1)],
    [45, new Uint32Array(functions.rows.length - 1)],
    [46, new Uint32Array(functions.rows.length - 1)],
    [50, prefix(stacks.rows.map((s) => s.length))],
    [51, Int32Array.from(stacks.rows.flat())],
    [60, Uint32Array.from(samples, (s) => pids.indexOf(s.pid))],
    [61, Uint8Array.from(samples, (s) => s.kind ?? 0)],
    [62, Int32Array.from(stackRows)],
    [63, Int32Array.from(samples, (s) => s.tid ?? s.pid)],
    [64, Int32Array.from(samples, (s) => s.cpu ?? 0)],
    [65, Int32Array.from(samples, (s) => strings.row(s.comm ?? name(s.pid)))],
    [66, Uint8Array.from(samples, (s) => s.flags ?? 0)],
    [67, prefix(samples.map((s) => s.times.length))],
    [68, BigUint64Array.from(samples.flatMap((s) => s.times))],
    [69, BigInt64Array.from(samples.flatMap((s) => s.values ?? []))],
    [70, Uint32Array.from(samples, (s) => s.probe ?? 0)],
    [75, Uint32Array.from(samples, (s) => (s.span === undefined ? 0 : spans.row(s.span)))],
  ]);
  sections.set(76, new Uint8Array(Buffer.from(spans.rows.join(''), 'hex')));
  const utf8 = strings.rows.map((s) => Buffer.from(s));
  sections.set(1, prefix(utf8.map((b) => b.length)));
  sections.set(2, new Uint8Array(Buffer.concat(utf8)));
  return sections;
}

/** A block drawn from samples. */
export function drawBlock(samples: readonly DrawnSample[], window?: readonly [bigint, bigint]): ArrayBuffer {
  return writeSections(drawSections(samples), window);
}
