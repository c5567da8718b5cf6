// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { gzipSync } from 'node:zlib';
import { encodeOtlp } from '../../codecs/otlp/encode.ts';
import { frameHeader } from '../../codecs/otlp/framing.ts';
import { encodeOtlpJson } from '../../codecs/otlp/json.ts';
import { compress } from '../../compression/compression.ts';
import { PermanentError, RetryableError } from '../../consumer/consumer.ts';
import { testComponentContract } from '../../internal/testing/component-contract.ts';
import { RecordingConsumer } from '../../internal/testing/recording-consumer.ts';
import { never, testHost, testSettings } from '../../internal/testing/settings.ts';
import { batchFromFolded } from '../../pdata/folded.ts';
import { configSchema } from './config.ts';
import { fileReceiverFactory } from './factory.ts';
import { Glob, Search } from '../../internal/glob.ts';
import type { MessageSink } from './message-reader.ts';
import { FileReceiver } from './receiver.ts';
import { WatchedFile } from './watched-file.ts';

testComponentContract(fileReceiverFactory, { include: ['/nowhere/*.json'] });

function folder(t: TestContext): string {
  const made = mkdtempSync(join(tmpdir(), 'file-receiver-'));
  t.after(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

async function started(t: TestContext, config: object, next = new RecordingConsumer()) {
  const settings = testSettings('file');
  const parsed = configSchema.parse({ poll_interval: '10ms', start_at: 'beginning', ...config });
  const receiver = new FileReceiver(settings, parsed, next);
  await receiver.start(testHost(), never());
  t.after(() => receiver.shutdown(AbortSignal.timeout(1_000)));
  /** Resolves once so many messages or files were passed over for this reason. */
  const skipped = async (reason: string, count = 1): Promise<void> => {
    while (settings.meter.value('receiver_file_skipped', { reason }) < count) await nextTurn();
  };
  return { settings, receiver, next, skipped };
}

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const line = (folded: string): string =>
  `${Buffer.from(encodeOtlpJson(batchFromFolded(folded))).toString()}\n`;
const framed = (message: Uint8Array): Buffer => Buffer.concat([frameHeader(message.length), message]);
const proto = (folded: string): Uint8Array => encodeOtlp(batchFromFolded(folded), { revision: '1.10' });

/** A sink of lines alone, and what it took. */
function linesTaken(): { readonly lines: string[]; readonly sink: MessageSink } {
  const lines: string[] = [];
  const sink: MessageSink = {
    takeFrame: () => assert.fail('no frame'),
    takeLine: async (bytes) => lines.push(Buffer.from(bytes).toString()) > 0,
    skipped: (reason) => assert.fail(reason),
  };
  return { lines, sink };
}

describe('file receiver', () => {
  it('knows a file again that was emptied and written anew, as copytruncate leaves it', async (t) => {
    const path = join(folder(t), 'out.json');
    const { lines, sink } = linesTaken();
    const old = `${'o'.repeat(2000)}\n`;
    writeFileSync(path, old);
    const file = new WatchedFile(path, statSync(path), 4096);
    await file.read(statSync(path), sink);
    truncateSync(path);
    await file.read(statSync(path), sink);
    writeFileSync(path, `${'n'.repeat(1500)}\n`);
    await file.read(statSync(path), sink);
    assert.equal(lines.splice(0).length, 2);
    await file.close();
    appendFileSync(path, 'opened again\n');
    await file.read(statSync(path), sink);
    const nextRun = new WatchedFile(path, statSync(path), 4096, file.position);
    await file.close();
    appendFileSync(path, 'next run\n');
    await nextRun.read(statSync(path), sink);
    await nextRun.close();
    assert.deepEqual(lines, ['opened again', 'next run']);
  });

  it('does not take a file for another that has its name by the time it is opened', async (t) => {
    const dir = folder(t);
    const path = join(dir, 'out.json');
    writeFileSync(path, 'old\n');
    const stats = statSync(path);
    renameSync(path, join(dir, 'out-1.json'));
    writeFileSync(path, 'new, and longer\n');
    const file = new WatchedFile(path, stats, 1024);
    const { lines, sink } = linesTaken();
    await file.read(stats, sink);
    assert.deepEqual([lines, file.isOpen], [[], false]);
    file.path = join(dir, 'out-1.json');
    await file.read(stats, sink);
    await file.close();
    assert.deepEqual(lines, ['old']);
  });

  it('reads lines of JSON, on as they come, and passes over what is none', async (t) => {
    const path = join(folder(t), 'in.json');
    writeFileSync(path, `${line('a 1')}\n{"resourceSpans":[]}\n{"resourceProfiles":7}\n`);
    const { next, skipped, settings } = await started(t, { include: [path] });
    await next.taken(1);
    await skipped('malformed');
    await skipped('no_profiles');
    const whole = line('b 2');
    appendFileSync(path, whole.slice(0, 50));
    appendFileSync(path, whole.slice(50));
    await next.taken(2);
    // A last line without its end is a message as soon as it can be read.
    appendFileSync(path, line('c 3').trimEnd());
    await next.taken(3);
    appendFileSync(path, `\n${line('d 4')}`);
    await next.taken(4);
    assert.equal(next.folded, 'a 1\nb 2\nc 3\nd 4');
    while (settings.meter.value('receiver_file_messages', { format: 'json' }) < 4) await nextTurn();
    const [warning] = settings.logger.entries.filter((entry) => entry.level === 'warn');
    assert.equal(warning?.fields['path'], path);
    assert.equal(warning?.fields['offset'], Buffer.byteLength(`${line('a 1')}\n{"resourceSpans":[]}\n`));
  });

  it('reads messages behind their length: protobuf, JSON, compressed', async (t) => {
    const path = join(folder(t), 'in');
    const json = encodeOtlpJson(batchFromFolded('c 3'));
    const bad = Buffer.from('this is no message');
    const all = [
      proto('a 1'),
      await compress('zstd', proto('b 2')),
      await compress('zstd', json),
      bad,
      proto('d 4'),
    ];
    const bytes = Buffer.concat(all.map(framed));
    writeFileSync(path, bytes.subarray(0, bytes.length - 3));
    const { next, skipped } = await started(t, { include: [path] });
    await next.taken(3);
    await skipped('malformed');
    appendFileSync(path, bytes.subarray(bytes.length - 3));
    await next.taken(4);
    assert.equal(next.folded, 'a 1\nb 2\nc 3\nd 4');
  });

  it('reads files that are compressed as a whole, and what is added to them', async (t) => {
    const dir = folder(t);
    writeFileSync(join(dir, 'a.json.gz'), gzipSync(line('a 1')));
    writeFileSync(
      join(dir, 'b.zst'),
      await compress('zstd', Buffer.concat([framed(proto('b 2')), framed(proto('c 3'))])),
    );
    writeFileSync(join(dir, 'c.zst'), (await compress('zstd', Buffer.from(line('never 1')))).subarray(0, 30));
    const { next, skipped } = await started(t, { include: [join(dir, '*')] });
    await next.taken(3);
    await skipped('malformed');
    appendFileSync(join(dir, 'a.json.gz'), gzipSync(line('d 4')));
    await next.taken(4);
    assert.equal(next.folded, 'a 1\nb 2\nc 3\nd 4');
  });

  it('begins where it is told with files that are there, and at the beginning of later ones', async (t) => {
    const dir = folder(t);
    writeFileSync(join(dir, 'lines'), `${line('old 1')}${line('half 1').slice(0, 20)}`);
    writeFileSync(
      join(dir, 'frames'),
      Buffer.concat([framed(proto('old 2')), framed(proto('new 5')).subarray(0, 7)]),
    );
    const { next, settings } = await started(t, { include: [join(dir, '*')], start_at: 'end' });
    while (settings.meter.value('receiver_file_watched_files') < 2) await nextTurn();
    writeFileSync(join(dir, 'later'), line('later 1'));
    await next.taken(1);
    appendFileSync(join(dir, 'lines'), `${line('half 1').slice(20)}${line('new 2')}`);
    appendFileSync(join(dir, 'frames'), framed(proto('new 5')).subarray(7));
    await next.taken(3);
    assert.equal(next.folded, 'later 1\nnew 2\nnew 5');
  });

  it('follows rotation: the rest of the old file, once, then the new one; and a file cut short', async (t) => {
    const dir = folder(t);
    const path = join(dir, 'in.json');
    writeFileSync(path, line('a 1'));
    const moved = await started(t, { include: [path] });
    const seen = await started(t, { include: [join(dir, '*')] });
    await Promise.all([moved.next.taken(1), seen.next.taken(1)]);
    appendFileSync(path, line('b 2'));
    renameSync(path, join(dir, 'in.1.json'));
    // Longer than what a file is known by, so that its new length alone tells that it was cut.
    writeFileSync(path, `${' '.repeat(2_000)}\n${line('c 3')}`);
    await Promise.all([moved.next.taken(3), seen.next.taken(3)]);
    assert.equal(moved.next.folded, 'a 1\nb 2\nc 3');
    assert.equal(seen.next.folded, 'a 1\nb 2\nc 3');
    truncateSync(path);
    appendFileSync(path, `${' '.repeat(1_100)}\n`);
    appendFileSync(path, line('d 4'));
    await Promise.all([moved.next.taken(4), seen.next.taken(4)]);
    appendFileSync(path, line('e 5').slice(0, 9));
    appendFileSync(path, 'x');
    while (moved.settings.meter.value('receiver_file_read_bytes') === 0) await nextTurn();
    unlinkSync(path);
    await moved.skipped('truncated');
  });

  it('waits for a busy pipeline and drops what the pipeline will never take', async (t) => {
    const path = join(folder(t), 'in.json');
    writeFileSync(path, line('bad 1') + line('good 2'));
    const next = new RecordingConsumer();
    let offers = 0;
    next.answerWith(() => {
      offers++;
      if (offers === 1) throw new PermanentError('not this');
      if (offers === 2) throw new RetryableError('busy');
    });
    const { skipped, settings } = await started(t, { include: [path] }, next);
    await skipped('refused');
    await next.taken(1);
    assert.equal(next.folded, 'good 2');
    assert.equal(settings.meter.value('receiver_file_retries'), 1);
  });

  it('reads files again and again where that is asked for', async (t) => {
    const path = join(folder(t), 'in.json');
    writeFileSync(path, line('a 1'));
    const { next } = await started(t, { include: [path], replay_file: true });
    await next.taken(3);
    assert.deepEqual([...new Set(next.folded.split('\n'))], ['a 1']);
  });

  it('survives hostile files: lengths, lines without end, bombs, pipes that nobody writes', async (t) => {
    const dir = folder(t);
    const file = (name: string, ...parts: Uint8Array[]) =>
      writeFileSync(join(dir, name), Buffer.concat(parts));
    file('1-length', framed(proto('a 1')), Buffer.from([0x7f, 0xff, 0xff, 0xff]), Buffer.alloc(100));
    file('2-line', Buffer.alloc(300_000, 'x'), Buffer.from(`\n${line('b 2')}`));
    file('3-bomb', framed(await compress('zstd', Buffer.alloc(64 << 20))), framed(proto('c 3')));
    file('4-long', framed(Buffer.alloc(200_000)), framed(proto('d 4')));
    symlinkSync('/dev/zero', join(dir, '5-device'));
    mkdirSync(join(dir, '6-folder'));
    file('7-text', Buffer.from('not json\n'.repeat(3)), Buffer.from(line('e 5')));
    const { next, skipped } = await started(t, { include: [join(dir, '*')], max_log_size: '100KiB' });
    await next.taken(5);
    await skipped('malformed', 4);
    await skipped('too_large', 3);
    assert.equal(next.folded, 'a 1\nb 2\nc 3\nd 4\ne 5');
  });

  it('refuses what cannot be', () => {
    for (const [config, message] of [
      [{ include: [] }, 'required argument `include` is empty'],
      [{ include: ['['] }, 'syntax error in pattern: "[" without "]" in "["'],
      [{ include: ['a{b'] }, 'syntax error in pattern: "{" without "}" in "a{b"'],
      [{ include: ['a'], max_log_size: 'much' }, 'invalid size "much" (examples: 65536, "16MiB")'],
      [{ include: ['a'], encoding: 'utf-16' }, 'must be utf-8: OTLP/JSON is always UTF-8'],
      [{ include: ['a'], poll_interval: '1ms' }, 'must be at least 10ms'],
    ] as const) {
      const { error } = configSchema.safeParse(config);
      const messages = error?.issues
        .flatMap((i) => ('errors' in i ? i.errors.flat() : [i]))
        .map((i) => i.message);
      assert.ok(messages?.includes(message), JSON.stringify([config, messages]));
    }
    assert.equal(configSchema.parse({ include: 'a,b' }).include.length, 2);
  });
});

describe('a pattern of paths', () => {
  it('finds and matches as the Go Collector does', async (t) => {
    const dir = folder(t);
    for (const name of [
      'a/x.json',
      'a/b/x.json',
      'a/b/y.txt',
      'a/.hidden.json',
      'c[1].json',
      'd1.json',
      'd2.json',
    ]) {
      mkdirSync(join(dir, name, '..'), { recursive: true });
      writeFileSync(join(dir, name), '');
    }
    symlinkSync(dir, join(dir, 'a', 'loop'));
    for (const [pattern, ...names] of [
      ['*.json', 'c[1].json', 'd1.json', 'd2.json'],
      ['**/x.json', 'a/b/x.json', 'a/x.json'],
      ['a/**', 'a/.hidden.json', 'a/b/x.json', 'a/b/y.txt', 'a/loop', 'a/x.json'],
      ['d[12].json', 'd1.json', 'd2.json'],
      ['d[^1].json', 'd2.json'],
      ['d[!1].json', 'd2.json'],
      ['c\\[1\\].json', 'c[1].json'],
      ['{d1,a/{b/x,x}}.json', 'a/b/x.json', 'a/x.json', 'd1.json'],
      ['d?.json', 'd1.json', 'd2.json'],
      ['nothing/*'],
      ['d1.json', 'd1.json'],
      ['(d1).json'],
    ] as const) {
      const glob = new Glob(join(dir, pattern));
      const search = new Search();
      await glob.find(search);
      assert.deepEqual(
        [...search.paths].map((path) => path.slice(dir.length + 1)).sort(),
        [...names],
        pattern,
      );
      for (const path of search.paths) assert.ok(glob.matches(path), `${pattern} ${path}`);
      assert.equal(glob.matches(join(dir, 'no', 'such')), false);
    }
  });
});
