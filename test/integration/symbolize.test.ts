// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it, type TestContext } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { testComponentContract } from '../../src/internal/testing/component-contract.ts';
import { RecordingConsumer } from '../../src/internal/testing/recording-consumer.ts';
import { never, testHost, testSettings } from '../../src/internal/testing/settings.ts';
import { stringValue } from '../../src/pdata/any-value.ts';
import { DictionaryBuilder } from '../../src/pdata/dictionary-builder.ts';
import { toFolded } from '../../src/pdata/folded.ts';
import { withLocationFrames } from '../../src/pdata/location-frames.ts';
import { ProfilesBatch, withSamples } from '../../src/pdata/profiles-batch.ts';
import { batchFromFolded } from '../../src/pdata/folded.ts';
import { withProfiles, withScopes } from '../../src/pdata/profiles-batch.ts';
import { SamplesBuilder } from '../../src/pdata/samples.ts';
import { symbolizeProcessorFactory } from '../../src/processors/symbolize/factory.ts';

const folder = mkdtempSync(join(tmpdir(), 'symbolize-'));
after(() => rmSync(folder, { recursive: true }));

const SOURCE = `
__attribute__((noinline)) int leaf(int n) { return n * 3; }
namespace shop { __attribute__((noinline)) int basket(int n) { return leaf(n) + 1; } }
int main(int argc, char**) { return shop::basket(argc); }
`;

/** A stripped program, its debug file, its build id, and where its functions are, by nm. */
function program(name: string, ...flags: readonly string[]) {
  const [source, whole, stripped, debug] = ['.cc', '', '.stripped', '.debug'].map((end) =>
    join(folder, `${name}${end}`),
  ) as [string, string, string, string];
  writeFileSync(source, SOURCE);
  execFileSync('gcc', ['-O1', '-x', 'c++', '-Wl,--build-id=sha1', ...flags, '-o', whole, source]);
  execFileSync('objcopy', ['--only-keep-debug', whole, debug]);
  execFileSync('strip', ['-o', stripped, whole]);
  const notes = execFileSync('readelf', ['-n', whole], { encoding: 'utf8' });
  const buildId = /Build ID: ([0-9a-f]+)/.exec(notes)?.[1] ?? '';
  const symbols = execFileSync('nm', [whole], { encoding: 'utf8' });
  const addressOf = (mangled: string): bigint => {
    const hex = new RegExp(`^([0-9a-f]+) T ${mangled}$`, 'm').exec(symbols)?.[1];
    assert.ok(hex !== undefined, mangled);
    return BigInt(`0x${hex}`) + 1n;
  };
  const addresses = [addressOf('_Z4leafi'), addressOf('_ZN4shop6basketEi'), addressOf('main')];
  return { whole, stripped, debug, buildId, addresses };
}

/** A batch as an agent sends it that names nothing: one stack, leaf first. */
function bare(buildId: string, filename: string, addresses: readonly bigint[], start = 0n): ProfilesBatch {
  const d = new DictionaryBuilder();
  const id = d.attributeOf('process.executable.build_id.gnu', stringValue(buildId));
  const mapping = d.mapping(start, start === 0n ? 0n : start + 0x10_0000n, 0n, d.string(filename), [id]);
  const stack = d.stack(addresses.map((address) => d.location(mapping, address + start, [], [])));
  const type = { type: d.string('samples'), unit: d.string('count') };
  const samples = new SamplesBuilder();
  samples.add(stack, 0, [], [5n], []);
  const [rp] = batchFromFolded('a 1').resources;
  const [scope] = rp?.scopes ?? [];
  const [profile] = scope?.profiles ?? [];
  assert.ok(rp && scope && profile);
  const own = withSamples(profile, samples.build(), { sampleType: type, periodType: { type: 0, unit: 0 } });
  return new ProfilesBatch(d.build(), [withScopes(rp, [withProfiles(scope, [own])])]);
}

async function processor(t: TestContext, config: object) {
  const next = new RecordingConsumer();
  const settings = testSettings('symbolize');
  const made = symbolizeProcessorFactory.create(
    settings,
    symbolizeProcessorFactory.schema.parse(config),
    next,
  );
  await made.start(testHost(), never());
  t.after(() => made.shutdown(never()));
  const through = async (batch: ProfilesBatch): Promise<string> => {
    await made.consumeProfiles(batch, never());
    return toFolded(next.batches.at(-1) ?? batch);
  };
  const count = (outcome: string) => settings.meter.value('processor_symbolize_locations', { outcome });
  return { through, count, settings };
}

testComponentContract(symbolizeProcessorFactory, {});

const NAMED = 'main;shop::basket;leaf 5';

describe('the symbolize processor', () => {
  it('names what an agent left bare from the file on this host', async (t) => {
    const { whole, buildId, addresses } = program('local');
    const { through, count } = await processor(t, {});
    assert.equal(await through(bare(buildId, whole, addresses)), NAMED);
    assert.equal(count('named'), 3);
    assert.doesNotMatch(await through(bare(buildId, whole, [1n])), /main|leaf/);
    assert.equal(count('unknown_address'), 1);
  });

  it('names functions that the profiler could only tell apart, and leaves names alone that look like it', async (t) => {
    const { whole, buildId, addresses } = program('grouped');
    const { through, count } = await processor(t, {});
    const batch = bare(buildId, whole, addresses);
    const called = (...names: readonly string[]): ProfilesBatch => {
      const nothing = { systemName: '', file: '', line: 0, column: 0, startLine: 0 };
      return withLocationFrames(batch, new Map(names.map((name, i) => [i + 1, [{ ...nothing, name }]])));
    };
    assert.equal(await through(called('grouped+0x1139', 'grouped+0x1140', 'grouped+0x1150')), NAMED);
    assert.equal(count('named'), 3);
    assert.equal(
      await through(called('other+0x1139', 'grouped+0x', 'operator+0x1')),
      'operator+0x1;grouped+0x;other+0x1139 5',
    );
    assert.equal(count('named'), 3);
  });

  it('understands addresses of the process as well as those of the file', async (t) => {
    for (const [name, flags] of [
      ['pie', ['-pie', '-fPIE']],
      ['static', ['-no-pie', '-static']],
    ] as const) {
      const { whole, buildId, addresses } = program(name, ...flags);
      const { through } = await processor(t, {});
      const isPie = name === 'pie';
      const offsets = isPie ? addresses : addresses.map((address) => address - 0x40_0000n);
      assert.equal(await through(bare(buildId, whole, offsets, 0x5555_5555_4000n)), NAMED, name);
      assert.equal(await through(bare(buildId, whole, addresses)), NAMED, name);
    }
  });

  it('takes a debug file out of a directory for a stripped program, and no file of another build', async (t) => {
    const { debug, stripped, buildId, addresses } = program('split');
    const other = program('other', '-DOTHER', '-O2');
    const { through, count } = await processor(t, { directories: [folder] });
    assert.notEqual(await through(bare(buildId, stripped, addresses)), NAMED);
    execFileSync('cp', [debug, join(folder, buildId)]);
    const again = await processor(t, { directories: [folder] });
    assert.equal(await again.through(bare(buildId, '', addresses)), NAMED);
    const before = count('no_file') ?? 0;
    await through(bare('0123456789abcdef', other.whole, addresses));
    assert.equal((count('no_file') ?? 0) - before, 3);
  });

  it('asks debuginfod servers only where they are configured, keeps what it got, and says what is on its way', async (t) => {
    const { whole, buildId, addresses } = program('served');
    const asked: string[] = [];
    const server = createServer((request, response) => {
      asked.push(request.url ?? '');
      if (request.url === `/buildid/${buildId}/executable`) response.end(readFileSync(whole));
      else response.writeHead(404).end();
    }).listen(0, '127.0.0.1');
    t.after(() => server.close());
    await once(server, 'listening');
    const cache = join(folder, 'cache');
    const debuginfod = {
      urls: [`http://127.0.0.1:${(server.address() as AddressInfo).port}`],
      cache_directory: cache,
    };
    const silent = await processor(t, {});
    await silent.through(bare(buildId, '', addresses));
    assert.equal(asked.length, 0);
    const { through, count, settings } = await processor(t, { debuginfod });
    const first = await through(bare(buildId, '', addresses));
    assert.notEqual(first, NAMED);
    assert.equal(count('pending'), 3);
    while ((await through(bare(buildId, '', addresses))) !== NAMED) await turn();
    assert.deepEqual(asked, [`/buildid/${buildId}/debuginfo`, `/buildid/${buildId}/executable`]);
    assert.ok(existsSync(join(cache, buildId, 'executable')));
    assert.equal(settings.meter.value('processor_symbolize_downloads', { outcome: 'downloaded' }), 1);
    const next = await processor(t, { debuginfod });
    while ((await next.through(bare(buildId, '', addresses))) !== NAMED) await turn();
    assert.equal(asked.length, 2);
    assert.equal(next.settings.meter.value('processor_symbolize_downloads', { outcome: 'cached' }), 1);
  });

  it('keeps no more downloads than it may, and gives up a server that does not answer', async (t) => {
    const [first, second] = [program('one', '-static'), program('two', '-static', '-DTWO=2', '-O2')];
    const byId = new Map([first, second].map(({ buildId, whole }) => [buildId, whole]));
    const server = createServer((request, response) => {
      const [, buildId = '', kind] = /buildid\/([0-9a-f]+)\/(\w+)/.exec(request.url ?? '') ?? [];
      const file = byId.get(buildId);
      if (kind === 'executable' && file !== undefined) response.end(readFileSync(file));
      else if (file !== undefined) response.writeHead(404).end();
    }).listen(0, '127.0.0.1');
    t.after(() => {
      server.closeAllConnections();
      server.close();
    });
    await once(server, 'listening');
    const debuginfod = {
      urls: [`http://127.0.0.1:${(server.address() as AddressInfo).port}`],
      cache_directory: join(folder, 'small-cache'),
      max_cache_mib: 1,
    };
    const { through, settings } = await processor(t, { debuginfod });
    const downloads = (outcome: string) =>
      settings.meter.value('processor_symbolize_downloads', { outcome }) ?? 0;
    const kept = ({ buildId }: { buildId: string }) =>
      existsSync(join(folder, 'small-cache', buildId, 'executable'));
    for (const [n, { buildId, addresses }] of [first, second].entries()) {
      while (downloads('downloaded') <= n) {
        await through(bare(buildId, '', addresses));
        await turn();
      }
    }
    assert.deepEqual([kept(first), kept(second)], [false, true]);
    const hasty = await processor(t, { debuginfod: { ...debuginfod, timeout: '50ms' } });
    const failed = () =>
      hasty.settings.meter.value('processor_symbolize_downloads', { outcome: 'failed' }) ?? 0;
    while (failed() === 0) {
      await hasty.through(bare('0123456789abcdef', '', [1n]));
      await turn();
    }
  });

  it('writes names as the configuration says', async (t) => {
    const { whole, buildId, addresses } = program('mangled');
    for (const [demangle, text] of [
      ['none', 'main;_ZN4shop6basketEi;_Z4leafi 5'],
      ['full', 'main;shop::basket(int);leaf(int) 5'],
    ]) {
      const { through } = await processor(t, { demangle });
      assert.equal(await through(bare(buildId, whole, addresses)), text);
    }
  });

  it('refuses files that are too large, and is unharmed by bytes that are no ELF', async (t) => {
    const { buildId, addresses } = program('hostile');
    const server = createServer((request, response) => {
      if ((request.url ?? '').endsWith('debuginfo')) response.end('no ELF at all');
      else response.end(Buffer.alloc(2 * 1024 * 1024));
    }).listen(0, '127.0.0.1');
    t.after(() => server.close());
    await once(server, 'listening');
    const { through, count, settings } = await processor(t, {
      debuginfod: {
        urls: [`http://127.0.0.1:${(server.address() as AddressInfo).port}`],
        cache_directory: join(folder, 'hostile-cache'),
        max_file_mib: 1,
      },
    });
    while ((count('no_file') ?? 0) === 0) {
      await through(bare(buildId, '', addresses));
      await turn();
    }
    assert.equal(settings.meter.value('processor_symbolize_file_errors'), 1);
  });
});
