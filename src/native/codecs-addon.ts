// SPDX-License-Identifier: Apache-2.0
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { packageRoot } from '../internal/package-root.ts';
import type { OtlpFunctions } from './otlp-functions.ts';

/** Counted up in native/codecs/addon.cc with every change of a function's contract. */
const VERSION = 6;

/** What `mergeDictionaries` takes. */
export type MergeArguments = readonly [
  dictionaries: readonly Uint8Array[],
  scopes: readonly Uint8Array[],
  owners: Uint32Array,
  revisions: Uint32Array,
  facts: Uint32Array,
];

/**
 * Codecs in C++ (native/codecs): no privileges, nothing kept between calls. The reading of OTLP has a
 * TypeScript counterpart, which is the reference; of the compressions Node itself has the most common ones.
 */
export interface CodecsAddon extends OtlpFunctions {
  readonly version: number;
  /**
   * `name`: see src/compression/compression.ts. Rejects with Error whose `code` is too_large, malformed or
   * no_memory. No allocation is larger than `limitBytes`; another thread reads `bytes` until it settles.
   */
  decompress(name: string, bytes: Uint8Array, limitBytes: number): Promise<Uint8Array>;
  /** The same at once, on this thread. Throws as it rejects. */
  decompressNow(name: string, bytes: Uint8Array, limitBytes: number): Uint8Array;
  /**
   * Inflates a gzipped pprof file to its end and walks over its top level, keeping nothing: numbers of sample types,
   * of samples and of strings, and bytes without gzip. Undefined where anything about it is wrong or unusual, or larger
   * than `limitBytes`; another thread reads `file` until it settles.
   */
  countPprof(file: Uint8Array, limitBytes: number): Promise<Float64Array | undefined>;
  /**
   * The difference of a pprof file, gzipped or not, to the one before of the same program (src/codecs/pprof/delta), as a
   * file. `last`: its totals, or nothing; with `sendsFirst` totals stand where there is nothing to compare with. Gives
   * what came of it (0 no totals, 1 first, 2 delta, 3 reset), samples of the file that came, then sample types, samples
   * and bytes without gzip of the difference; the difference, gzipped where `gzips`, without bytes where it has no
   * samples; totals for the next call. Undefined where anything is wrong or unusual, or larger than `limitBytes`
   * without gzip; another thread reads `file` and `last` until it settles.
   */
  deltaPprof(
    file: Uint8Array,
    limitBytes: number,
    last: BigUint64Array,
    sendsFirst: boolean,
    gzips: boolean,
  ): Promise<readonly [numbers: Float64Array, file: Uint8Array, totals: BigUint64Array] | undefined>;
  /**
   * A pprof file without gzip as an ExportProfilesServiceRequest of OTLP 1.10, which means what `decodePprof` makes of the
   * file. Undefined where anything is wrong or unusual.
   */
  pprofToOtlp(file: Uint8Array): Uint8Array | undefined;
  /**
   * Puts rows into the empty hash table `slots`; `WordRows` (src/pdata/rows.ts) says what the arrays are, and does
   * the same. `key`: two words of secret, and a mask for hashes. Gives how many rows equal an earlier one. Throws
   * RangeError where the arrays do not fit each other.
   */
  indexRows(words: Int32Array, starts: Uint32Array, slots: Int32Array, key: Uint32Array): number;
  /**
   * Brings parts of OTLP requests under one dictionary, as bytes. `dictionaries`: ProfilesDictionary messages; rows of
   * the first keep their places, behind them come those of the others that are named and not there already. `scopes[i]`:
   * the scope_profiles fields, tags included, of a resource whose rows are of `dictionaries[owners[i]]`, not the first,
   * and whose `WireRevision` is `revisions[i]`. Gives the dictionary, then the scopes; undefined where the first one's
   * rows are not orderly (equal rows, a zero row that is not zero), another's zero row is not zero, an attribute that
   * is copied refers to the string table, or the bytes are not as the scans accept them. `facts` are those of the
   * first dictionary (`DictionaryFact`), and become those of the new one. With `offLoop` another thread does it, which
   * reads all bytes until the promise settles.
   */
  mergeDictionaries(...args: [...MergeArguments, offLoop: false]): Uint8Array[] | undefined;
  mergeDictionaries(...args: [...MergeArguments, offLoop: true]): Promise<Uint8Array[] | undefined>;
  /** Gives pages of freed memory inside malloc's arenas back to the system, on another thread; not with musl. */
  trimMemory(): Promise<void>;
  /** The pieces as one. `level`: one that the algorithm has. Rejects with Error whose `code` is no_memory. */
  compress(name: string, pieces: readonly Uint8Array[], level: number): Promise<Uint8Array>;
}

let loaded: CodecsAddon | undefined;
let looked = false;

/**
 * The codecs addon, loaded once; undefined where it is not built, is of another version or cannot be
 * loaded here, or where the environment has `OTELCOL_PROFILES_NO_ADDON=1`.
 */
export function codecsAddon(): CodecsAddon | undefined {
  if (!looked) {
    looked = true;
    loaded = process.env.OTELCOL_PROFILES_NO_ADDON === '1' ? undefined : load();
  }
  return loaded;
}

function load(): CodecsAddon | undefined {
  const path = join(packageRoot(), 'build', 'otelcol_codecs.node');
  if (!existsSync(path)) return undefined;
  try {
    const module: unknown = createRequire(import.meta.url)(path);
    return isAddon(module) ? module : undefined;
  } catch {
    // Of another architecture or C library: the caller has its own way.
    return undefined;
  }
}

function isAddon(module: unknown): module is CodecsAddon {
  return typeof module === 'object' && module !== null && 'version' in module && module.version === VERSION;
}
