// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { getText } from '../../src/pdata/attributes.ts';
import { stackNames } from '../../src/pdata/folded.ts';
import type { ProfilesBatch } from '../../src/pdata/profiles-batch.ts';
import { configSchema } from '../../src/receivers/profiling/config.ts';
import { openSource } from '../../src/receivers/profiling/source.ts';
import { WITHOUT_ROOT } from '../left-out.ts';
import { WORKLOADS } from './workloads.ts';

const WINDOW_MS = 200;
const scope = { name: 'test', version: '1', attributes: [], droppedAttributesCount: 0 };

interface Seen {
  /** Names of the functions on the stacks of the program. */
  readonly names: ReadonlySet<string>;
  readonly stats: Readonly<Record<string, number>>;
  /** The figures after each collect. */
  readonly history: readonly Readonly<Record<string, number>>[];
}

function addNames(names: Set<string>, batch: ProfilesBatch, pid: number | undefined): void {
  for (const { resource, scopes } of batch.resources) {
    if (getText(resource.attributes, 'process.pid') !== String(pid)) continue;
    for (const { samples } of scopes.flatMap((s) => s.profiles)) {
      for (const stack of samples.stack) {
        for (const name of stackNames(batch.dictionary, stack)) names.add(name);
      }
    }
  }
}

describe('symbol tables of the profiler', { timeout: 120_000, skip: WITHOUT_ROOT }, () => {
  const dir = mkdtempSync(join(tmpdir(), 'otelcol-profiles-symbols-'));
  const directory = join(dir, 'cache');
  let program: ChildProcess;

  /** Profiles the host until the program's function was seen in two windows. */
  async function profile(options: Record<string, unknown>, wanted = /^shop::Counter/): Promise<Seen> {
    const config = configSchema.parse({ samples_per_second: 199, ...options });
    const { source } = await openSource(config, scope, false);
    const names = new Set<string>();
    const history: Record<string, number>[] = [];
    try {
      for (let windows = 0; windows < 2; ) {
        await delay(WINDOW_MS);
        const batch = await source.collect();
        if (batch === undefined) continue;
        const inWindow = new Set<string>();
        addNames(inWindow, batch, program.pid);
        history.push(source.stats());
        for (const name of inWindow) names.add(name);
        if ([...inWindow].some((name) => wanted.test(name))) windows++;
      }
      return { names, stats: source.stats(), history };
    } finally {
      await source.stop();
    }
  }

  before(() => {
    const [command, ...args] = WORKLOADS.find(({ name }) => name === 'cpp')?.command(dir) ?? [];
    assert.ok(command !== undefined);
    program = spawn(command, args, { stdio: 'ignore' });
  });

  after(() => {
    program.kill('SIGKILL');
    rmSync(dir, { recursive: true, force: true });
  });

  it('keeps those of large binaries in symbol_cache::directory and maps them in the next run', async () => {
    const first = await profile({ symbol_cache: { directory } });
    const kept = readdirSync(directory).filter((name) => name.endsWith('.symbols'));
    assert.ok(kept.length > 0, 'no table was kept');
    assert.ok((first.stats['symbol_cache_misses'] ?? 0) >= kept.length);
    assert.ok((first.stats['symbol_cache_bytes'] ?? 0) > 0);
    const second = await profile({ symbol_cache: { directory } });
    assert.ok((second.stats['symbol_cache_hits'] ?? 0) > 0, JSON.stringify(second.stats));
    assert.ok((second.stats['symbol_mapped_bytes'] ?? 0) > 100_000);
    assert.equal(second.stats['symbol_cache_error_corrupt'], 0);
  });

  it('keeps none with symbol_cache::max_size_mib 0', async () => {
    const none = join(dir, 'none');
    const { stats } = await profile({ symbol_cache: { directory: none, max_size_mib: 0 } });
    assert.equal(stats['symbol_cache_misses'], undefined);
    assert.equal(stats['symbol_mapped_bytes'], 0);
    assert.throws(() => readdirSync(none));
  });

  it('holds symbol_cache::max_memory_mib and names everything all the same', async () => {
    const options = { symbol_cache: { directory, max_size_mib: 0, max_memory_mib: 1 } };
    const { stats, history } = await profile(options);
    assert.ok((stats['symbol_tables_evicted'] ?? 0) > 0, JSON.stringify(stats));
    for (const { symbol_bytes: bytes = 0 } of history) assert.ok(bytes < 8 << 20, `${bytes} bytes`);
    const large = await profile({ symbol_cache: { directory, max_size_mib: 0 } });
    assert.equal(large.stats['symbol_tables_evicted'], 0);
    assert.ok((large.stats['symbol_bytes'] ?? 0) > 1 << 20);
  });

  it('demangles as much as `demangle` says', async () => {
    const nameIn = async (demangle: string, wanted: RegExp): Promise<string> => {
      const { names } = await profile({ demangle, symbol_cache: { max_size_mib: 0 } }, wanted);
      return [...names].find((name) => wanted.test(name)) ?? '';
    };
    assert.equal(await nameIn('none', /^_ZN4shop7Counter.*run/), '_ZN4shop7CounterIiE3runEi');
    assert.equal(await nameIn('templates', /^shop::Counter.*run/), 'shop::Counter<int>::run');
  });
});
