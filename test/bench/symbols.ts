// SPDX-License-Identifier: Apache-2.0
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { closeSync, existsSync, fstatSync, openSync, readdirSync, readSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { loadAddon, type SymbolFile } from '../../src/native/addon.ts';

const ROUNDS = 7;
const LOOKUPS = 20_000;
/** Addresses that take turns: what is sampled often is sampled again. */
const DISTINCT = 1_000;
const PEER = 'llvm-symbolizer';

/** Large binaries of this host: what runs this, and what Debian ships of LLVM and Chromium. */
function largeBinaries(): string[] {
  const libraries = '/usr/lib/x86_64-linux-gnu';
  const llvm = existsSync(libraries)
    ? readdirSync(libraries).filter((name) => /^libLLVM-\d+\.so\.1$/.test(name))
    : [];
  const paths = [
    process.execPath,
    ...llvm.slice(0, 1).map((name) => join(libraries, name)),
    '/usr/lib/chromium/chromium',
  ];
  return [...new Set(paths.filter(existsSync).map((path) => realpathSync(path)))];
}

function readAt(fd: number, offset: number, size: number): Buffer {
  const out = Buffer.alloc(size);
  return out.subarray(0, readSync(fd, out, 0, size, offset));
}

interface Binary {
  readonly path: string;
  readonly sizeBytes: number;
  readonly htlHash: string;
  /** Addresses all over its code. */
  readonly addresses: BigUint64Array;
}

/** PT_LOAD with PF_X of a 64-bit little-endian file; addresses by a generator without chance. */
function inspect(path: string): Binary {
  const fd = openSync(path, 'r');
  try {
    const sizeBytes = fstatSync(fd).size;
    const length = Buffer.alloc(8);
    length.writeBigUInt64BE(BigInt(sizeBytes));
    const hash = createHash('sha256');
    for (const part of [readAt(fd, 0, 4096), readAt(fd, sizeBytes - 4096, 4096), length]) hash.update(part);
    const header = readAt(fd, 0, 64);
    const count = header.readUInt16LE(56);
    const table = readAt(fd, Number(header.readBigUInt64LE(32)), count * 56);
    let start = 0n;
    let size = 0n;
    for (let at = 0; at < table.length; at += 56) {
      const isCode = table.readUInt32LE(at) === 1 && (table.readUInt32LE(at + 4) & 1) !== 0;
      if (!isCode || table.readBigUInt64LE(at + 32) < size) continue;
      start = table.readBigUInt64LE(at + 16);
      size = table.readBigUInt64LE(at + 32);
    }
    const addresses = new BigUint64Array(LOOKUPS);
    let state = 1n;
    for (let i = 0; i < LOOKUPS; i++) {
      if (i >= DISTINCT) {
        addresses[i] = addresses[i % DISTINCT] ?? 0n;
        continue;
      }
      state = (state * 6_364_136_223_846_793_005n + 1_442_695_040_888_963_407n) & ((1n << 64n) - 1n);
      addresses[i] = start + ((state >> 20n) % size);
    }
    return { path, sizeBytes, htlHash: hash.digest('hex').slice(0, 32), addresses };
  } finally {
    closeSync(fd);
  }
}

async function best(run: () => Promise<number> | number): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i < ROUNDS; i++) least = Math.min(least, await run());
  return least;
}

async function open({ path, htlHash }: Binary): Promise<SymbolFile> {
  const file = await loadAddon().openSymbolFile(path, htlHash, 'full');
  if (file === undefined) throw new Error(`${path}: another file than a moment ago`);
  return file;
}

/** Nanoseconds an address once the peer has answered the first one; undefined where it is not installed. */
async function peerNs({ path, addresses }: Binary): Promise<number | undefined> {
  const child = spawn(PEER, ['--obj', path, '--no-inlines', '--output-style=GNU'], {
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  const failed = new Promise<undefined>((resolve) => child.once('error', () => resolve(undefined)));
  const measured = async (): Promise<number | undefined> => {
    let lines = 0;
    let started = 0;
    child.stdin.on('error', () => undefined);
    child.stdin.write(`0x${(addresses[0] ?? 0n).toString(16)}\n`);
    const rest = [...addresses].map((address) => `0x${address.toString(16)}\n`).join('');
    for await (const _ of createInterface(child.stdout)) {
      // Two lines an address: function, then file and line.
      lines++;
      if (lines === 2) {
        started = performance.now();
        child.stdin.end(rest);
      }
      if (lines === 2 * (LOOKUPS + 1)) return ((performance.now() - started) * 1e6) / LOOKUPS;
    }
    return undefined;
  };
  return Promise.race([measured(), failed]).finally(() => child.kill());
}

/**
 * How long it takes to index large binaries, and to name addresses of them, against llvm-symbolizer once that has
 * loaded the same file: 1000 addresses over and over, as profiles have them. Ours includes the handing over to JavaScript.
 */
export async function benchSymbols(write: (line: string) => void): Promise<void> {
  for (const binary of largeBinaries().map(inspect)) {
    const indexMs = await best(async () => {
      const started = performance.now();
      await open(binary);
      return performance.now() - started;
    });
    const file = await open(binary);
    const place = BigUint64Array.of(0n, 0n, 0n);
    const named = file.lookup(binary.addresses, place).counts.filter((count) => count > 0).length;
    const ns = await best(() => {
      const started = performance.now();
      file.lookup(binary.addresses, place).texts.split('\0');
      return ((performance.now() - started) * 1e6) / LOOKUPS;
    });
    const peer = await peerNs(binary);
    write(
      [
        binary.path.padEnd(44),
        `${(binary.sizeBytes / 1e6).toFixed(0)} MB`,
        `index ${indexMs.toFixed(1)} ms`,
        `held ${(file.sizeBytes / 1e6).toFixed(1)} MB`,
        `lookup ${ns.toFixed(0)} ns (${((named / LOOKUPS) * 100).toFixed(0)} % named)`,
        peer === undefined
          ? `${PEER} is not installed`
          : `${PEER} ${peer.toFixed(0)} ns, ${(peer / ns).toFixed(1)} times ours`,
      ].join(' · '),
    );
  }
}
