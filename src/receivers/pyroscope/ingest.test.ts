// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import { labelsSnapshot } from '../../codecs/jfr/testing/labels-snapshot.ts';
import { RecordingMaker } from '../../codecs/jfr/testing/recording-maker.ts';
import { encodeWhole } from '../../codecs/pprof/testing/encode-whole.ts';
import { rememberedSeries } from '../../codecs/pyroscope/series.ts';
import { PermanentError, RetryableError } from '../../consumer/consumer.ts';
import { dumpBatch } from '../../pdata/dump.ts';
import { batchFromFolded, toFolded } from '../../pdata/folded.ts';
import type { Profile, ProfilesBatch } from '../../pdata/profiles-batch.ts';
import { attributesOf, cpuPprof, running, typesOf } from './testing/running-receiver.ts';

const post = (url: string, query: string, body: Uint8Array | string | FormData): Promise<Response> =>
  fetch(`${url}/ingest?${query}`, { method: 'POST', body });

const NAME = `name=${encodeURIComponent('shop{region=eu, __session_id__=a1,empty=}')}`;
const shop = { 'service.name': 'shop', region: 'eu', __session_id__: 'a1', __delta__: 'false' };

function form(parts: Readonly<Record<string, Uint8Array | string>>): FormData {
  const data = new FormData();
  for (const [name, bytes] of Object.entries(parts)) {
    const copy = typeof bytes === 'string' ? Buffer.from(bytes) : Uint8Array.from(bytes);
    data.append(name, new Blob([copy]), `${name}.bin`);
  }
  return data;
}

const firstProfile = (batch: ProfilesBatch | undefined): Profile | undefined =>
  batch?.resources[0]?.scopes[0]?.profiles[0];

describe('/ingest', () => {
  it('takes pprof bare and in a form, gzipped or not, as the bytes they came in', async (t) => {
    const { url, next } = await running(t);
    const raw = cpuPprof();
    const query = `format=pprof&${NAME}&spyName=nodespy`;
    for (const body of [raw, gzipSync(raw), form({ profile: gzipSync(raw) })]) {
      const reply = await post(url, query, body);
      assert.deepEqual([reply.status, await reply.text()], [200, '']);
    }
    // A form is pprof without being told so.
    assert.equal((await post(url, `${NAME}&spyName=nodespy`, form({ profile: raw }))).status, 200);
    assert.equal(next.batches.length, 4);
    for (const batch of next.batches) {
      assert.deepEqual(attributesOf(batch), [{ ...shop, __name__: 'process_cpu', pyroscope_spy: 'nodespy' }]);
      assert.deepEqual(typesOf(batch), ['samples/count cpu/nanoseconds 10000000']);
      assert.equal(toFolded(batch), 'main;idle 1\nmain;work 3');
    }
    const [series] = rememberedSeries(next.batches[0] as ProfilesBatch) ?? [];
    assert.deepEqual(Buffer.from(series?.profiles[0] ?? []), Buffer.from(raw));
    assert.equal(series?.labels.get('pyroscope_spy'), 'nodespy');
  });

  it('gives a pprof that tells no time, or microseconds, that of the query', async (t) => {
    const { url, next } = await running(t);
    const second = 1_700_000_000_000_000_000n;
    // Old agents of Python and Ruby.
    for (const time of [0n, second / 1_000n, second + 5n])
      await post(
        url,
        `format=pprof&${NAME}&from=1700000000&until=1700000010`,
        cpuPprof('main 10000000', time),
      );
    const [none, micros, told] = next.batches;
    assert.deepEqual(
      [none, micros, told].map(firstProfile).map((p) => p?.timeUnixNano),
      [second, second, second + 5n],
    );
    // What goes out as the bytes that came in would go out without this time.
    for (const batch of [none, micros]) assert.equal(rememberedSeries(batch ?? assert.fail()), undefined);
    assert.equal(rememberedSeries(told ?? assert.fail())?.length, 1);
  });

  it('is there under Pyroscope\u2019s other path, and says when it is ready', async (t) => {
    const { url, next } = await running(t);
    const reply = await fetch(`${url}/pyroscope/ingest?name=a`, { method: 'POST', body: 'main 1' });
    assert.equal(reply.status, 200);
    assert.equal(next.batches.length, 1);
    const ready = await fetch(`${url}/ready`);
    assert.deepEqual([ready.status, await ready.text()], [200, 'ready\n']);
  });

  it('names a pprof by its types, and by what the form says of them', async (t) => {
    const { url, next } = await running(t);
    const pprofOf = (type: string, unit: string): Uint8Array =>
      encodeWhole(
        batchFromFolded('main 1', { sampleType: [type, unit], periodType: [type, unit], period: 1n }),
      );
    const cases: readonly (readonly [type: string, config: string | undefined, name: string])[] = [
      ['wall', undefined, 'wall'],
      ['samples', undefined, 'process_cpu'],
      ['inuse_space', undefined, 'memory'],
      ['objects', undefined, 'memory'],
      ['contentions', undefined, 'mutex'],
      ['contentions', '{"contentions":{"units":"lock_samples","display-name":"block_count"}}', 'block'],
      ['goroutine', undefined, 'goroutines'],
      ['goroutine', '{"other":{"display-name":null}}', 'goroutine'],
      ['inuse_space', '{"inuse_space":{"display-name":""}}', 'memory'],
      ['constructor', undefined, 'constructor'],
      ['inuse-space', '{"inuse-space":{"units":"bytes"}}', 'memory'],
    ];
    for (const [type, config] of cases) {
      const body = form({
        profile: pprofOf(type, 'count'),
        ...(config !== undefined && { sample_type_config: config }),
      });
      assert.equal((await post(url, NAME, body)).status, 200);
    }
    assert.deepEqual(
      next.batches.map((batch) => attributesOf(batch)[0]?.['__name__']),
      cases.map(([, , name]) => name),
    );
  });

  it('takes folded stacks and lines, in ticks of the sample rate', async (t) => {
    const { url, next } = await running(t);
    await post(url, `${NAME}&from=1700000000&until=1700000010&sampleRate=50`, 'main;a 3\nmain;b 1\n');
    await post(url, `${NAME}&format=lines`, 'main;a\nmain;a\nmain;b\n');
    await post(url, `${NAME}&format=groups`, gzipSync('main;a 3'));
    const [folded, lines, groups] = next.batches;
    assert.ok(folded !== undefined && lines !== undefined && groups !== undefined);
    assert.deepEqual(attributesOf(folded), [{ ...shop, __name__: 'process_cpu', pyroscope_spy: 'unknown' }]);
    assert.deepEqual(typesOf(folded), ['samples/count cpu/nanoseconds 20000000']);
    assert.equal(firstProfile(folded)?.timeUnixNano, 1_700_000_000_000_000_000n);
    assert.equal(firstProfile(folded)?.durationNano, 10_000_000_000n);
    assert.equal(toFolded(folded), 'main;a 3\nmain;b 1');
    assert.deepEqual(typesOf(lines), ['samples/count cpu/nanoseconds 10000000']);
    assert.equal(toFolded(lines), 'main;a 2\nmain;b 1');
    assert.equal(toFolded(groups), 'main;a 3');
    assert.equal(rememberedSeries(folded), undefined);
  });

  it('knows what is counted by the end of the name, or by the units', async (t) => {
    const { url, next } = await running(t);
    const cases: readonly (readonly [query: string, service: string, name: string, types: string])[] = [
      ['name=shop.alloc_space', 'shop', 'memory', 'alloc_space/bytes space/bytes 1'],
      ['name=shop.wall&sampleRate=1000', 'shop', 'wall', 'wall/nanoseconds wall/nanoseconds 1000000'],
      ['name=shop.mutex_duration', 'shop', 'mutex', 'delay/nanoseconds contentions/count 1'],
      ['name=my.shop', 'my.shop', 'process_cpu', 'samples/count cpu/nanoseconds 10000000'],
      ['name=shop&units=objects', 'shop', 'memory', 'objects/count space/bytes 1'],
      ['name=shop&sampleRate=0', 'shop', 'process_cpu', 'samples/count / 0'],
    ];
    for (const [query] of cases) assert.equal((await post(url, query, 'main 5')).status, 200);
    assert.deepEqual(
      next.batches.map((batch) => [
        attributesOf(batch)[0]?.['service.name'],
        attributesOf(batch)[0]?.['__name__'],
        ...typesOf(batch),
      ]),
      cases.map(([, ...rest]) => rest),
    );
    assert.equal(toFolded(next.batches[1] as ProfilesBatch), 'main 5000000');
  });

  it('takes tries and trees, by format or content type', async (t) => {
    const { url, next } = await running(t);
    const tree = Buffer.from('\x00\x00\x01\x01a\x00\x02\x01b\x01\x00\x01c\x02\x00', 'latin1');
    const trie = Buffer.from('\x00\x00\x01\x02a;\x00\x02\x01b\x01\x00\x01c\x02\x00', 'latin1');
    await post(url, `${NAME}&format=tree`, tree);
    await post(url, `${NAME}&format=trie`, trie);
    for (const [type, body] of Object.entries({ tree, trie })) {
      const headers = { 'content-type': `binary/octet-stream+${type}` };
      await fetch(`${url}/ingest?${NAME}`, { method: 'POST', body, headers });
    }
    assert.deepEqual(next.batches.map(toFolded), Array(4).fill('a;b 1\na;c 2'));
  });

  it('takes files of speedscope, each of its profiles as a series', async (t) => {
    const { url, next } = await running(t);
    const profile = { type: 'sampled', startValue: 0, endValue: 3, samples: [[0, 1], [0]], weights: [2, 1] };
    const file = (...units: string[]): string =>
      JSON.stringify({
        $schema: 'https://www.speedscope.app/file-format-schema.json',
        shared: { frames: [{ name: 'main' }, { name: 'a' }] },
        profiles: units.map((unit) => ({ ...profile, unit, name: 'p' })),
      });
    for (const body of [file('milliseconds'), file('none'), file('bytes'), file('seconds', 'bytes')])
      assert.equal((await post(url, 'name=shop&format=speedscope', body)).status, 200);
    const told = next.batches.map((batch) => {
      const names = attributesOf(batch).map((a) => `${a['__name__']} ${a['profile_name']}`);
      return [...names, ...typesOf(batch), toFolded(batch).split('\n')[0]];
    });
    assert.deepEqual(told, [
      ['process_cpu p', 'samples/count cpu/nanoseconds 1', 'main 1000000'],
      ['process_cpu p', 'samples/count cpu/nanoseconds 10000000', 'main 1'],
      ['memory p', 'space/bytes space/bytes 1', 'main 1'],
      [
        'wall p',
        'memory p #2',
        'wall/nanoseconds wall/nanoseconds 1',
        'space/bytes space/bytes 1',
        'main 1000000000',
      ],
    ]);
  });

  it('takes recordings of Java, bare and in a form', async (t) => {
    const { url, next } = await running(t);
    const sample = { stack: 'app/Main.main:1;app/Main.work:2', state: 'STATE_RUNNABLE', contextId: 5 };
    const recording = gzipSync(
      new RecordingMaker()
        .setting('event', 'itimer')
        .add('jdk.ExecutionSample', sample)
        .add('jdk.ExecutionSample', sample)
        .chunk(),
    );
    assert.equal((await post(url, `${NAME}&format=jfr&spyName=javaspy`, recording)).status, 200);
    const labels = gzipSync(labelsSnapshot({ 5: { order: 'o-1' } }));
    const parts = form({ jfr: recording, labels });
    assert.equal((await post(url, `${NAME}&format=jfr&spyName=javaspy`, parts)).status, 200);
    const [bare, formed] = next.batches;
    assert.ok(bare !== undefined && formed !== undefined);
    for (const batch of [bare, formed]) {
      const own = { __name__: 'process_cpu', pyroscope_spy: 'javaspy', jfr_event: 'itimer' };
      assert.deepEqual(attributesOf(batch), [{ ...shop, ...own }]);
      assert.deepEqual(typesOf(batch), ['samples/count cpu/nanoseconds 10000000']);
      assert.equal(toFolded(batch), 'app/Main.main;app/Main.work 2');
    }
    assert.match(dumpBatch(formed), /order/);
    assert.doesNotMatch(dumpBatch(bare), /order/);
  });

  it('gives an own service name the place of the application\u2019s', async (t) => {
    const { url, next } = await running(t);
    await post(url, `name=${encodeURIComponent('app{service_name=shop}')}`, 'main 1');
    const [attributes] = attributesOf(next.batches[0]);
    assert.deepEqual([attributes?.['service.name'], attributes?.['app_name']], ['shop', 'app']);
  });

  it('tells of the pipeline\u2019s errors: 503 to be sent again, 422 never', async (t) => {
    const { url, next } = await running(t);
    next.failWith(new RetryableError('full'));
    const busy = await post(url, NAME, 'main 1');
    assert.deepEqual([busy.status, busy.headers.get('retry-after'), await busy.text()], [503, '1', 'full\n']);
    next.failWith(new PermanentError('never'));
    assert.equal((await post(url, NAME, 'main 1')).status, 422);
  });
});
