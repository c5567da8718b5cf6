// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { decodePprof } from '../../codecs/pprof/decode.ts';
import { testComponentContract } from '../../internal/testing/component-contract.ts';
import { FakeClock, settle } from '../../internal/testing/fake-clock.ts';
import { never, testHost, testSettings } from '../../internal/testing/settings.ts';
import { toFolded } from '../../pdata/folded.ts';
import { configSchema } from './config.ts';
import { PprofExtension } from './extension.ts';
import { pprofExtensionFactory } from './factory.ts';
import { pprofOfCpu, pprofOfHeap } from './profiles.ts';

testComponentContract(pprofExtensionFactory, { endpoint: '127.0.0.1:0' });

async function started(t: TestContext) {
  const clock = new FakeClock();
  const extension = new PprofExtension(
    testSettings('pprof'),
    configSchema.parse({ endpoint: '127.0.0.1:0' }),
    clock,
  );
  await extension.start(testHost(), never());
  t.after(() => extension.shutdown(AbortSignal.abort()));
  const ask = (path: string, options: RequestInit = {}) => fetch(`${extension.url}${path}`, options);
  /** Resolves once a CPU profile runs. */
  const isProfiling = async () => {
    while (clock.pending.length === 0) await settle();
  };
  return { extension, clock, ask, isProfiling };
}

const frame = (functionName: string) => ({
  functionName,
  scriptId: '1',
  url: 'file:///a.js',
  lineNumber: 2,
  columnNumber: 4,
});
const node = (id: number, name: string, children: number[] = []) => ({
  id,
  callFrame: frame(name),
  children,
});

describe('pprof extension', () => {
  it('gives a CPU profile of the seconds asked for', async (t) => {
    const { ask, clock, isProfiling } = await started(t);
    const asked = ask('/debug/pprof/profile?seconds=7');
    await isProfiling();
    assert.deepEqual(clock.pending, [7_000]);
    const second = await ask('/debug/pprof/profile');
    assert.deepEqual([second.status, await second.text()], [409, 'a CPU profile is being made already']);
    await clock.advance(7_000);
    const response = await asked;
    assert.equal(response.headers.get('content-disposition'), 'attachment; filename="profile.pb.gz"');
    decodePprof(gunzipSync(Buffer.from(await response.arrayBuffer())));
  });

  it('ends a CPU profile when its client goes away', async (t) => {
    const { ask, clock, isProfiling } = await started(t);
    const client = new AbortController();
    const asked = ask('/debug/pprof/profile?seconds=300', { signal: client.signal });
    await isProfiling();
    client.abort();
    await assert.rejects(asked);
    while (clock.pending.length > 0) await settle();
    const again = ask('/debug/pprof/profile?seconds=1');
    await isProfiling();
    await clock.advance(1_000);
    assert.equal((await again).status, 200);
  });

  it('gives the heap, an index, and says what it has not', async (t) => {
    const { ask } = await started(t);
    const heap = await ask('/debug/pprof/heap');
    decodePprof(gunzipSync(Buffer.from(await heap.arrayBuffer())));
    assert.match(await (await ask('/debug/pprof/')).text(), /profile\?seconds=30/);
    assert.equal((await ask('/debug/pprof/goroutine')).status, 404);
    for (const seconds of ['0', '301', '-1', '1e3', 'x']) {
      const refused = await ask(`/debug/pprof/profile?seconds=${seconds}`);
      assert.equal(refused.status, 400, seconds);
    }
    assert.equal((await ask('/debug/pprof/heap', { method: 'POST' })).status, 405);
  });

  it('counts samples and time by stack and leaves idle time out', () => {
    const cpu = {
      nodes: [node(1, '(root)', [2, 3]), node(2, 'main', [4]), node(3, '(idle)'), node(4, 'work')],
      samples: [4, 4, 3, 2],
      timeDeltas: [10, 10, 10, 10],
      startTime: 0,
      endTime: 40_000,
    };
    const batch = decodePprof(pprofOfCpu(cpu, 0, 10_000));
    const folded = toFolded(batch);
    assert.match(folded, /main;work 2/);
    assert.match(folded, /main;work 20000000/);
    assert.doesNotMatch(folded, /idle/);
  });

  it('sums what is alive by stack', () => {
    const leaf = { ...node(2, 'keep'), selfSize: 4_096, children: [] };
    const head = { ...node(1, '(root)'), selfSize: 0, children: [leaf] };
    assert.match(toFolded(decodePprof(pprofOfHeap({ head }, 0, 1))), /keep 4096/);
  });

  it('refuses to save a profile without end, and takes the other keys of upstream', () => {
    const { error } = configSchema.safeParse({ save_to_file: '/tmp/x' });
    assert.match(JSON.stringify(error?.issues), /is not supported: a profile of the whole run/);
    configSchema.parse({ block_profile_fraction: 3, mutex_profile_fraction: 5 });
  });
});
