// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { describe, it } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import * as zlib from 'node:zlib';
import { Random } from '../internal/testing/otlp-random.ts';
import { codecsAddon } from '../native/codecs-addon.ts';
import { type CompressionError, type CompressionName, compressionWith } from './compression.ts';

const NAMES: readonly CompressionName[] = [
  'gzip',
  'zlib',
  'deflate',
  'zstd',
  'snappy',
  'x-snappy-framed',
  'lz4',
];
const ROOMY = { maxBytes: 100 << 20 };

const addon = codecsAddon();
assert.ok(addon !== undefined, 'the codecs addon is not built: run "npm run setup"');
const native = compressionWith(addon);
const fallback = compressionWith(undefined);

/** Half noise, half repetition. */
function sample(size: number, seed = 1): Uint8Array {
  const random = new Random(seed);
  return Uint8Array.from({ length: size }, (_, i) => (i % 128 < 64 ? random.below(256) : i % 5));
}

function assertSame(got: Uint8Array, expected: Uint8Array, what: string): void {
  assert.equal(Buffer.compare(got, expected), 0, what);
}

for (const [where, { compress, decompress, isSupported }] of Object.entries({ native, fallback })) {
  const supported = NAMES.filter((name) => isSupported(name));

  describe(`compression, ${where}`, () => {
    it('gives back what it was given, in memory of exactly its size', async () => {
      for (const name of supported) {
        for (const size of [0, 1, 65_537, 1_000_000]) {
          const bytes = sample(size);
          const packed = await compress(name, bytes);
          const plain = await decompress(name, packed, { maxBytes: size });
          assertSame(plain, bytes, `${name} ${size}`);
          assert.equal(packed.byteLength, packed.buffer.byteLength);
          assert.equal(plain.byteLength, plain.buffer.byteLength);
        }
      }
    });

    it('takes pieces for what they are together', async () => {
      const bytes = sample(100_000);
      const nothing = bytes.subarray(0, 0);
      const pieces = [
        nothing,
        bytes.subarray(0, 7),
        nothing,
        bytes.subarray(7, 70_000),
        bytes.subarray(70_000),
      ];
      for (const name of supported) {
        assertSame(await compress(name, pieces), await compress(name, bytes), name);
        assertSame(await decompress(name, await compress(name, []), ROOMY), nothing, name);
      }
    });

    it('leaves its input as it was', async () => {
      const bytes = sample(10_000);
      for (const name of supported) {
        const packed = await compress(name, bytes);
        const before = packed.slice();
        await decompress(name, packed, ROOMY);
        assertSame(packed, before, name);
      }
      assertSame(bytes, sample(10_000), 'plain');
    });

    it('takes a part of a larger buffer', async () => {
      const bytes = sample(1_000);
      for (const name of supported) {
        const packed = await compress(name, Buffer.concat([bytes, bytes]).subarray(1_000));
        const around = Buffer.concat([Buffer.from('xyz'), packed, Buffer.from('z')]);
        assertSame(await decompress(name, around.subarray(3, -1), ROOMY), bytes, name);
      }
    });

    it('is read by node:zlib and reads what node:zlib writes', async () => {
      const bytes = sample(200_000);
      assertSame(zlib.gunzipSync(await compress('gzip', bytes)), bytes, 'gzip');
      assertSame(zlib.inflateSync(await compress('zlib', bytes)), bytes, 'zlib');
      assertSame(zlib.inflateSync(await compress('deflate', bytes)), bytes, 'deflate');
      assertSame(await decompress('gzip', zlib.gzipSync(bytes), ROOMY), bytes, 'gzip');
      assertSame(await decompress('zlib', zlib.deflateSync(bytes), ROOMY), bytes, 'zlib');
      assertSame(await decompress('deflate', zlib.deflateSync(bytes), ROOMY), bytes, 'deflate, zlib');
      for (let level = 0; level <= 9; level++) {
        const raw = zlib.deflateRawSync(bytes, { level });
        assertSame(await decompress('deflate', raw, ROOMY), bytes, `deflate, raw at level ${level}`);
      }
    });

    it('takes several gzip members as one stream, whatever the last one says of its size', async () => {
      const bytes = sample(300_000);
      const members = Buffer.concat([
        zlib.gzipSync(bytes.subarray(0, 299_990)),
        zlib.gzipSync(new Uint8Array()),
        zlib.gzipSync(bytes.subarray(299_990)),
      ]);
      assertSame(await decompress('gzip', members, { maxBytes: 300_000 }), bytes, 'members');
      await assert.rejects(decompress('gzip', members, { maxBytes: 299_999 }), { reason: 'too_large' });
    });

    it('refuses every shortened stream', async () => {
      const bytes = sample(300);
      for (const name of supported) {
        const packed = await compress(name, bytes);
        for (let size = 0; size < packed.length; size++) {
          // The identifier alone is a framed stream of nothing.
          if (name === 'x-snappy-framed' && size === 10) continue;
          const short = decompress(name, packed.subarray(0, size), ROOMY);
          await assert.rejects(short, { name: 'CompressionError', reason: 'malformed' }, `${name} ${size}`);
        }
      }
    });

    it('refuses bytes behind the end, and other formats', async () => {
      for (const name of supported) {
        const packed = await compress(name, sample(300));
        for (const tail of ['\0', '\0\0\0\0', 'x', 'garbage of some length']) {
          const longer = Buffer.concat([packed, Buffer.from(tail)]);
          await assert.rejects(decompress(name, longer, ROOMY), { reason: 'malformed' }, name);
        }
        const text = new TextEncoder().encode('{"resourceProfiles":[]}');
        await assert.rejects(decompress(name, text, ROOMY), {
          reason: 'malformed',
          message: `not valid ${name}`,
        });
      }
    });

    it('refuses a damaged checksum', async () => {
      for (const name of ['gzip', 'zlib'] as const) {
        const packed = await compress(name, sample(300));
        const at = packed.length - (name === 'gzip' ? 8 : 4);
        packed[at] = (packed[at] ?? 0) ^ 1;
        await assert.rejects(decompress(name, packed, ROOMY), { reason: 'malformed' }, name);
      }
    });

    it('stops at the limit on bytes', async () => {
      for (const name of supported) {
        const packed = await compress(name, sample(200_000));
        await assert.rejects(decompress(name, packed, { maxBytes: 199_999 }), {
          reason: 'too_large',
          message: `${name} becomes larger than 199999 bytes`,
        });
      }
    });

    it('refuses a bomb by its ratio, and lets small ones be', async () => {
      for (const name of supported.filter((n) => ['gzip', 'zlib', 'deflate', 'zstd'].includes(n))) {
        const bomb = await compress(name, new Uint8Array(8 << 20));
        await assert.rejects(decompress(name, bomb, ROOMY), {
          reason: 'too_large',
          message: `${name} becomes larger than 512 times its size`,
        });
        const small = await compress(name, new Uint8Array(1 << 20));
        assert.equal((await decompress(name, small, ROOMY)).length, 1 << 20);
      }
    });

    it('takes levels, and the nearest one for those that there are not', async () => {
      const bytes = sample(100_000);
      const size = async (name: CompressionName, level?: number) =>
        (await compress(name, bytes, level)).length;
      for (const name of ['gzip', 'zlib', 'deflate'] as const) {
        assert.ok((await size(name, 0)) > bytes.length);
        assert.ok((await size(name, 9)) < (await size(name, 1)));
        assert.equal(await size(name, 99), await size(name, 9));
        assert.equal(await size(name, -1), await size(name, 6));
        assert.equal(await size(name), await size(name, 6));
      }
      if (!isSupported('zstd')) return;
      assert.ok((await size('zstd', 19)) < (await size('zstd', 1)));
      assert.equal(await size('zstd', 99), await size('zstd', 22));
      assert.equal(await size('zstd'), await size('zstd', 3));
    });

    it('does fifty at a time', async () => {
      const jobs = Array.from({ length: 50 }, async (_, i) => {
        const name = supported[i % supported.length] ?? 'gzip';
        const bytes = sample(50_000 + i, i);
        assertSame(await decompress(name, await compress(name, bytes), ROOMY), bytes, `${name} ${i}`);
      });
      await Promise.all(jobs);
    });

    it('leaves the event loop free', async () => {
      const bytes = new Uint8Array(32 << 20).fill(7);
      let turns = 0;
      let busy = true;
      const turn = () => {
        turns++;
        if (busy) setImmediate(turn);
      };
      setImmediate(turn);
      await compress('gzip', bytes);
      busy = false;
      assert.ok(turns > 20, `${turns} turns`);
    });

    it('holds its input while it works', async () => {
      setFlagsFromString('--expose_gc');
      const gc: unknown = runInNewContext('gc');
      assert.ok(typeof gc === 'function');
      const jobs = Array.from({ length: 20 }, (_, i) => compress('gzip', sample(50_000, i)));
      gc();
      for (const [i, packed] of (await Promise.all(jobs)).entries()) {
        assertSame(zlib.gunzipSync(packed), sample(50_000, i), String(i));
      }
    });
  });
}

describe('compression', () => {
  it('has the same verdict with and without the addon on damaged streams', async () => {
    const random = new Random(11);
    const plain = sample(2_000);
    let accepted = 0;
    for (let round = 0; round < 600; round++) {
      // Not raw deflate: it has no checksum, and libdeflate gives a meaning to two codes that zlib refuses.
      const name = round % 2 === 0 ? 'gzip' : 'zlib';
      const bytes = await fallback.compress(name, plain);
      bytes[random.below(round % 4 < 2 ? 10 : bytes.length)] = random.below(256);
      const verdict = (promise: Promise<Uint8Array>) =>
        promise.then(
          (out) => `accepted ${Buffer.from(out).toString('base64')}`,
          () => 'refused',
        );
      const [a, b] = await Promise.all([
        verdict(native.decompress(name, bytes, ROOMY)),
        verdict(fallback.decompress(name, bytes, ROOMY)),
      ]);
      assert.equal(a, b, `${name} ${Buffer.from(bytes).toString('hex')}`);
      if (a !== 'refused') accepted++;
    }
    assert.ok(accepted > 50 && accepted < 550, `${accepted} accepted`);
  });

  it('knows no other names', () => {
    for (const { isSupported } of [native, fallback]) {
      for (const name of ['br', 'identity', '', 'GZIP', 'toString']) assert.equal(isSupported(name), false);
    }
  });

  it('says what would help where the addon is missing', async () => {
    const wanted: Partial<CompressionError> = {
      reason: 'unsupported',
      message: 'snappy needs the codecs addon: run "npm run setup"',
    };
    await assert.rejects(fallback.decompress('snappy', sample(10), ROOMY), wanted);
    await assert.rejects(fallback.compress('snappy', sample(10)), wanted);
  });

  it('does without the addon where the environment says so', () => {
    const program = `import { isSupported } from ${JSON.stringify(new URL('./compression.ts', import.meta.url).href)};
      console.log(isSupported('gzip'), isSupported('snappy'));`;
    const run = (env: NodeJS.ProcessEnv) =>
      execFileSync(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', program], {
        encoding: 'utf8',
        env: { ...process.env, ...env },
      }).trim();
    assert.equal(run({ OTELCOL_PROFILES_NO_ADDON: '1' }), 'true false');
    assert.equal(run({ OTELCOL_PROFILES_NO_ADDON: '' }), 'true true');
  });

  it('has an addon that takes no nonsense', () => {
    const call = addon.decompress as (...args: unknown[]) => unknown;
    assert.throws(() => call('br', new Uint8Array(1), 1), {
      name: 'TypeError',
      message: 'no such algorithm',
    });
    assert.throws(() => call('gzip', 'text', 1), TypeError);
    assert.throws(() => call('gzip', new Float64Array(1), 1), TypeError);
    assert.throws(() => call('gzip', new Uint8Array(1), -1), TypeError);
    assert.throws(() => call('gzip', new Uint8Array(1), Number.NaN), TypeError);
    assert.throws(() => call('gzip', new Uint8Array(1)), TypeError);
    assert.throws(() => call(), TypeError);
  });
});
