// SPDX-License-Identifier: Apache-2.0
// Seeds of the native fuzz targets, made from programs of this host: small, and the same for the same tool chain. The
// form of each target's input is at the head of native/fuzz/TARGET_fuzz.cc.
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { native } from './compile.mjs';
import { goSeeds } from './fuzz-seeds-go.mjs';
import { has, hashOf, isFresh, markFresh, run } from './steps.mjs';

const FRAME_BYTES = 6144;
const NAMES = 160;

const u16 = (value) => Buffer.from([value & 255, value >> 8]);
const piece = (bytes) => Buffer.concat([u16(bytes.length), bytes]);

/** A program without libraries: a few kilobytes with everything that a file can have. */
const PROGRAM = `
static int cold(int x) { volatile int y = x; return y * 3; }
static inline __attribute__((always_inline)) int inner(int x) { return cold(x) + cold(x + 1); }
__attribute__((noinline)) int outer(int x) { int s = 0; for (int i = 0; i < x; i++) s += inner(i); return s; }
int other(int x);
void _start(void) { outer(3); other(4); for (;;) {} }
`;
const LIBRARY = 'int other(int x) { return x + 1; }\n';

function elfSeeds(folder, write) {
  const shell = (command) => run('sh', ['-ec', command], { cwd: folder });
  writeFileSync(join(folder, 'p.c'), PROGRAM);
  writeFileSync(join(folder, 'l.c'), LIBRARY);
  const small = '-nostdlib -fno-stack-protector -Wl,-z,noseparate-code -Wl,--build-id';
  shell(`gcc -O1 -shared -fPIC ${small} l.c -o libl.so`);
  shell(`gcc -O1 -fPIE -pie ${small} p.c -L. -ll -o plain && strip -s plain -o bare`);
  shell(
    'objcopy --only-keep-debug plain mini && xz -kf mini && objcopy --add-section .gnu_debugdata=mini.xz bare packed',
  );
  shell('objcopy --add-gnu-debuglink=plain bare linked');
  for (const name of ['plain', 'bare', 'packed', 'linked', 'libl.so'])
    write('elf', name, readFileSync(join(folder, name)));
  for (const [name, flags] of [
    ['dwarf4', 'gcc -gdwarf-4'],
    ['dwarf5', 'gcc -gdwarf-5'],
    ['zlib', 'gcc -gdwarf-5 -gz=zlib'],
    ['clang4', 'clang -gdwarf-4'],
    ['clang5', 'clang -gdwarf-5'],
    ['types', 'gcc -gdwarf-5 -fdebug-types-section'],
  ]) {
    shell(`${flags} -O2 -fPIE -pie ${small} p.c -L. -ll -o debug`);
    write('dwarf', name, readFileSync(join(folder, 'debug')));
  }
  for (const form of ['zstd', 'zlib-gnu']) {
    shell(`objcopy --compress-debug-sections=${form} debug form`);
    write('dwarf', form, readFileSync(join(folder, 'form')));
  }
}

function frameSeeds(folder, write) {
  const dump = (file, section) => {
    const out = join(folder, 'section');
    run('objcopy', ['--dump-section', `${section}=${out}`, file, '/dev/null']);
    return readFileSync(out).subarray(0, FRAME_BYTES);
  };
  const library = (name) =>
    join('/usr/lib', `${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu`, name);
  const files = [
    '/bin/true',
    '/bin/bash',
    library('libc.so.6'),
    library('libcrypto.so.3'),
    library('ld-linux-x86-64.so.2'),
  ];
  for (const [i, file] of files.filter((name) => existsSync(name)).entries()) {
    const bytes = dump(realpathSync(file), '.eh_frame');
    // 0: .eh_frame, 1: found by its header alone, 3: also as .debug_frame.
    write('frames', `eh-${i}`, Buffer.concat([Buffer.from([i % 2 === 0 ? 0 : 1]), bytes]));
  }
  writeFileSync(join(folder, 'p.c'), PROGRAM);
  run('gcc', [
    '-g',
    '-O1',
    '-c',
    '-fno-asynchronous-unwind-tables',
    join(folder, 'p.c'),
    '-o',
    join(folder, 'p.o'),
  ]);
  write('frames', 'debug', Buffer.concat([Buffer.from([2]), dump(join(folder, 'p.o'), '.debug_frame')]));
  write('frames', 'both', Buffer.concat([Buffer.from([3]), dump('/bin/true', '.eh_frame')]));
}

function demangleSeeds(write) {
  const names = new Set();
  const library = '/usr/lib/x86_64-linux-gnu/libstdc++.so.6';
  const all = run('nm', ['-D', '--defined-only', library])
    .split('\n')
    .map((line) => (line.split(' ').at(-1) ?? '').split('@')[0])
    .filter((name) => name.startsWith('_Z') && name.length < 400);
  for (let i = 0; i < NAMES; i++) names.add(all[Math.floor((i * all.length) / NAMES)]);
  for (const name of [
    '_ZN4core3fmt9Formatter3pad17h0123456789abcdefE',
    '_ZN77_$LT$alloc..raw_vec..RawVec$LT$T$C$A$GT$$u20$as$u20$core..ops..drop..Drop$GT$4drop17h8a7f6b5c4d3e2f10E',
    '_RNvCsbmNqQUJIY6D_4core3foo',
    '_RINvNtC3std3mem8align_ofNtNtC3std3mem12DiscriminantE',
    '_RNCINkXs25_NgCsbmNqQUJIY6D_4core5sliceINyB9_4IterhENuNgNoBb_4iter8iterator8Iterator9rpositionNCNgNpB9_6memchr7memrchrs_0E0Bb_',
    '_RINvC4bar3fooKVSt3u8E',
    '_ZZN1fIiEEvT_ENKUlvE_clEv.constprop.0.cold',
    '_Z1fIXadL_ZN1A1gEvEEEvv',
  ])
    names.add(name);
  for (const [i, name] of [...names].entries()) write('demangle', String(i), Buffer.from(name ?? ''));
}

const PERF_MAP = `7f0000001000 40 JS:*render file:///srv/app.js:12:7
7f0000001040 80 JS:~async load /srv/lib/load.js:3:1
7f0000001020 30 Builtin:ArrayPrototypeMap
7f00000010c0 20 py::handle.<locals>.inner:/srv/app.py
0x00007f0000002000 0x40 Ljava/lang/String;::hashCode
7f0000001000 10 LazyCompile:^f\u{fc}nf :1
7f0000001008 ffffff RegExp:(a|b)*
`;

const KALLSYMS = `ffffffff81000000 T _stext
ffffffff81000000 T startup_64
ffffffff81000040 t secondary
ffffffff81001000 W weak_one
ffffffff81e00000 T _etext
ffffffff82000000 D data_symbol
ffffffffc0200000 t nf_hook\t[nf_tables]
ffffffffc0201000 T nft_register\t[nf_tables]
ffffffffc0300000 t bpf_prog_6deef7357e7b4530_sd_fw_ingress\t[bpf]
0000000000000000 A fixed_percpu_data
`;
const MODULES = `nf_tables 315392 12 nft_ct, Live 0xffffffffc0200000
loop 32768 - 0 Live 0x0000000000000000 (E)
`;

function textSeeds(write) {
  write('perf_map', 'all', Buffer.concat([u16(100), Buffer.from(PERF_MAP)]));
  for (const [i, line] of PERF_MAP.split('\n').entries())
    write('perf_map', String(i), Buffer.from(`\0\0${line}\n`));
  write('kernel_symbols', 'all', Buffer.concat([piece(Buffer.from(MODULES)), Buffer.from(KALLSYMS)]));
  write('kernel_symbols', 'none', Buffer.concat([u16(0), Buffer.from(KALLSYMS)]));
}

/** struct op_sample of native/bpf/profile.h with frames of every kind, and records of perf_event_open(2). */
function recordSeeds(write) {
  const frames = [0, 1, 2, 16].map((kind, i) => {
    const frame = Buffer.alloc(16);
    frame.writeBigUInt64LE(0x7f0000001000n + BigInt(i));
    frame[12] = kind;
    return frame;
  });
  const stack = [...frames, Buffer.alloc(16, 7)];
  const header = readFileSync(join(native, 'bpf', 'profile.h'), 'utf8');
  const sample = Buffer.alloc(104);
  // Of another version it would be refused at once.
  sample[0] = Number(/#define OP_SAMPLE_VERSION (\d+)/.exec(header)?.[1]);
  sample.writeUInt32LE(stack.length, 40);
  sample.writeUInt32LE(2, 44);
  sample.writeUInt16LE(stack.length, 52);
  sample.writeUInt32LE(1, 56);
  sample.write('worker', 64);
  sample.fill(0xa1, 80, 104);
  const kernel = Buffer.alloc(16, 0xff);
  const label = Buffer.alloc(128);
  label.writeUInt16LE(0x0504);
  label.write('step', 4);
  label.write('index', 48);
  write('records', 'sample', Buffer.concat([Buffer.from([0]), sample, ...stack, kernel, label]));

  const record = (type, misc, body) => {
    const header = Buffer.alloc(8);
    header.writeUInt32LE(type);
    header.writeUInt16LE(misc, 4);
    header.writeUInt16LE(8 + body.length + 24, 6);
    return Buffer.concat([header, body, Buffer.alloc(24, 1)]);
  };
  const text = Buffer.from('/usr/bin/worker\0');
  const records = [
    record(10, 0, Buffer.concat([Buffer.alloc(64, 2), text])),
    record(3, 0x2000, Buffer.concat([Buffer.alloc(8, 3), text])),
    record(7, 0, Buffer.alloc(24, 4)),
    record(4, 0, Buffer.alloc(24, 5)),
    record(2, 0, Buffer.alloc(16, 6)),
  ];
  write('records', 'sideband', Buffer.concat([Buffer.from([1]), ...records]));
}

/** Messages of linux/cn_proc.h: netlink's head, the connector's, what it is, and the ids. */
function connectorSeeds(write) {
  const whats = { acknowledge: 0, fork: 1, exec: 2, uid: 4, name: 0x200, exit: 0x80000000 };
  for (const [name, what] of Object.entries(whats)) {
    const message = Buffer.alloc(76);
    message.writeUInt32LE(message.length);
    message.writeUInt16LE(3, 4);
    for (const at of [16, 20]) message.writeUInt32LE(1, at);
    message.writeUInt16LE(40, 32);
    message.writeUInt32LE(what, 36);
    for (const at of [52, 56, 60, 64]) message.writeUInt32LE(4711, at);
    write('connector', name, message);
  }
}

/** Memory of a living interpreter: a code object, its names, its line table and its type. */
const DUMP = `
import ctypes, sys
def sample(a, b=1):
    def inner\u00fc(c):
        return c + a
    return inner\u00fc(b)
code = sample.__code__.co_consts[1]
lines = code.co_linetable if hasattr(code, 'co_linetable') else code.co_lnotab
pieces = [(id(o), n) for o, n in [(code, 256), (lines, 34 + len(lines)), (type(code), 64)]]
name = code.co_qualname if hasattr(code, 'co_qualname') else code.co_name
pieces += [(id(s), sys.getsizeof(s)) for s in (name, code.co_filename)]
pieces.append((ctypes.c_uint64.from_address(id(type(code)) + 24).value, 8))
out = bytes([sys.version_info[1], 0]) + id(code).to_bytes(8, 'little')
for address, size in pieces:
    out += address.to_bytes(8, 'little') + size.to_bytes(2, 'little') + ctypes.string_at(address, size)
sys.stdout.buffer.write(out)
`;

function pythonSeeds(write) {
  const bytes = run('setarch', ['-R', 'python3', '-c', DUMP], {
    encoding: 'buffer',
    env: { ...process.env, PYTHONHASHSEED: '1' },
  });
  write('python', 'living', bytes);
  // An interpreter's table of offsets of version 13: 65 words that say where things are in those objects.
  const table = Buffer.alloc(8 + 64 * 8);
  table.write('xdebugpy');
  table.writeBigUInt64LE(0x030d0000n, 8);
  for (const [place, value] of [
    [22, 72],
    [28, 8],
    [30, 56],
    [32, 70],
    [34, 112],
    [36, 128],
    [37, 136],
    [38, 68],
    [42, 200],
  ])
    table.writeBigUInt64LE(BigInt(value), 8 + place * 8);
  write(
    'python',
    'stated',
    Buffer.concat([Buffer.from([13, 1]), bytes.subarray(2, 10), piece(table), bytes.subarray(10)]),
  );
}

/** Makes the seeds of all targets below `folder`, if the scripts that make them changed. */
export function makeSeeds(folder) {
  const key = hashOf(['scripts/fuzz-seeds.mjs', 'scripts/fuzz-seeds-go.mjs', 'native/bpf/profile.h']);
  if (isFresh('fuzz-seeds', key, [folder])) return 'up to date';
  rmSync(folder, { recursive: true, force: true });
  const scratch = mkdtempSync(join(tmpdir(), 'fuzz-seeds-'));
  let count = 0;
  const write = (target, name, bytes) => {
    mkdirSync(join(folder, target), { recursive: true });
    writeFileSync(join(folder, target, name), bytes);
    count++;
  };
  try {
    elfSeeds(scratch, write);
    frameSeeds(scratch, write);
    demangleSeeds(write);
    textSeeds(write);
    recordSeeds(write);
    connectorSeeds(write);
    pythonSeeds(write);
    if (has('go')) goSeeds(scratch, write);
  } finally {
    rmSync(scratch, { recursive: true });
  }
  markFresh('fuzz-seeds', key);
  return `${count} seeds`;
}
