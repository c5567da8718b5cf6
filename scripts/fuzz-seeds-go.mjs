// SPDX-License-Identifier: Apache-2.0
// Seeds of native/fuzz/gopclntab_fuzz.cc: the first functions of a real table, with as much of its other parts as they
// need, laid out anew.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from './steps.mjs';

// As in native/fuzz/gopclntab_fuzz.cc.
const TEXT = 0x400000n;
const TABLE = 0x600000n;
const MODULE = 0x800000n;
const INLINE = 0x900000n;
const FUNCTIONS = 40;
const HEADER_BYTES = 72;

const PROGRAM = `package main

func leaf(x int) int { return x*x + 1 }
func middle(x int) int { return leaf(x) + leaf(x+1) }
func main() { println(middle(len("abc"))) }
`;

/** The first functions of `table`, Go 1.18 to 1.25: header, names, units, files, values, functions. */
function firstFunctions(table) {
  const word = (i) => Number(table.readBigUInt64LE(8 + 8 * i));
  const total = word(0);
  const [names, units, files, values, functab] = [3, 4, 5, 6, 7].map(word);
  const count = Math.min(FUNCTIONS, total);
  const entry = (i) => table.readUInt32LE(functab + 8 * i);
  const at = (i) => table.readUInt32LE(functab + 8 * i + 4);
  const bodies = table.subarray(functab + at(0), functab + at(count));
  const parts = [
    table.subarray(names, names + 3000),
    table.subarray(units, units + 400),
    table.subarray(files, files + 1500),
    table.subarray(values, values + 5000),
  ];
  const index = Buffer.alloc(8 * count + 4);
  const firstBody = (index.length + 7) & ~7;
  for (let i = 0; i <= count; i++) {
    index.writeUInt32LE(entry(i) - entry(0), 8 * i);
    if (i < count) index.writeUInt32LE(firstBody + at(i) - at(0), 8 * i + 4);
  }
  const head = Buffer.from(table.subarray(0, HEADER_BYTES));
  head.writeBigUInt64LE(BigInt(count), 8);
  head.writeBigUInt64LE(TEXT, 24);
  const out = [head];
  let length = HEADER_BYTES;
  for (const [i, part] of [...parts, index].entries()) {
    head.writeBigUInt64LE(BigInt(length), 8 + 8 * (3 + i));
    out.push(part);
    length += part.length;
  }
  return Buffer.concat([...out, Buffer.alloc(firstBody - index.length), bodies]);
}

/** runtime.moduledata as the readers know it: where the table, its names, the text and the inline trees are. */
function moduledata(table, isOld) {
  const out = Buffer.alloc(352);
  out.writeBigUInt64LE(TABLE, 0);
  out.writeBigUInt64LE(TABLE + table.readBigUInt64LE(8 + 8 * 3), 8);
  out.writeBigUInt64LE(TEXT, 176);
  out.writeBigUInt64LE(INLINE, isOld ? 304 : 320);
  return out;
}

/** The same as relative relocations, as position-independent files have it. */
function relocations(module) {
  const out = [];
  for (const at of [0, 8, 176, 320]) {
    const one = Buffer.alloc(24);
    one.writeBigUInt64LE(MODULE + BigInt(at), 0);
    one.writeBigUInt64LE(8n, 8);
    one.writeBigUInt64LE(module.readBigUInt64LE(at), 16);
    out.push(one);
  }
  return Buffer.concat(out);
}

/** Hands the seeds to `write(target, name, bytes)`. */
export function goSeeds(folder, write) {
  writeFileSync(join(folder, 'main.go'), PROGRAM);
  const env = { ...process.env, GOTOOLCHAIN: 'local', GOFLAGS: '', GO111MODULE: 'off' };
  run('go', ['build', '-o', 'go-program', 'main.go'], { cwd: folder, env });
  const file = join(folder, 'section');
  const dump = (section) => {
    run('objcopy', ['--dump-section', `${section}=${file}`, join(folder, 'go-program'), '/dev/null']);
    return readFileSync(file);
  };
  const table = firstFunctions(dump('.gopclntab'));
  const inlined = dump('.rodata').subarray(0, 2048);
  const seed = (isPositionIndependent, bytes, module) => {
    const length = Buffer.alloc(4);
    length.writeUInt32LE(bytes.length);
    const moduleLength = Buffer.from([module.length & 255, module.length >> 8]);
    return Buffer.concat([
      Buffer.from([isPositionIndependent ? 1 : 0]),
      length,
      bytes,
      moduleLength,
      module,
      inlined,
    ]);
  };
  const module = moduledata(table, false);
  write('gopclntab', 'fixed', seed(false, table, module));
  write('gopclntab', 'independent', seed(true, table, relocations(module)));
  const older = Buffer.from(table);
  older.writeUInt32LE(0xfffffff0, 0);
  write('gopclntab', 'go118', seed(false, older, moduledata(table, true)));
}
