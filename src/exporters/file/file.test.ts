// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { decodeOtlp } from '../../codecs/otlp/decode.ts';
import { decodeOtlpJson } from '../../codecs/otlp/json.ts';
import { decompress } from '../../compression/compression.ts';
import { isPermanent } from '../../consumer/consumer.ts';
import { packageRoot } from '../../internal/package-root.ts';
import { testComponentContract } from '../../internal/testing/component-contract.ts';
import { FakeClock } from '../../internal/testing/fake-clock.ts';
import { never, testHost, testSettings } from '../../internal/testing/settings.ts';
import { batchFromFolded, toFolded } from '../../pdata/folded.ts';
import { mergeBatches } from '../../pdata/merge.ts';
import { Backups } from './backups.ts';
import { configSchema } from './config.ts';
import { createFileExporter } from './exporter.ts';
import { fileExporterFactory } from './factory.ts';

const contract = mkdtempSync(join(tmpdir(), 'file-exporter-contract-'));
testComponentContract(fileExporterFactory, { path: join(contract, 'out.json') });
process.once('exit', () => rmSync(contract, { recursive: true, force: true }));

const NOW = Date.UTC(2026, 0, 2, 15, 4, 5);

function folder(t: TestContext): string {
  const made = mkdtempSync(join(tmpdir(), 'file-exporter-'));
  t.after(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

async function started(t: TestContext, config: object) {
  const settings = testSettings('file');
  const clock = new FakeClock(NOW);
  const exporter = createFileExporter(settings, configSchema.parse(config), clock);
  await exporter.start(testHost(), never());
  t.after(() => exporter.shutdown(AbortSignal.abort()));
  const send = (text: string, attributes: Record<string, string> = {}) =>
    exporter.consumeProfiles(batchFromFolded(text, { attributes }), never());
  return { settings, clock, exporter, send };
}

/** Messages behind their length. */
function frames(bytes: Buffer): Buffer[] {
  const found: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = bytes.readUInt32BE(at);
    found.push(bytes.subarray(at + 4, at + 4 + length));
    at += 4 + length;
  }
  return found;
}

describe('file exporter', () => {
  it('writes each batch as a line of JSON that is there when it is acknowledged', async (t) => {
    const path = join(folder(t), 'out.json');
    writeFileSync(path, 'left by the run before\n');
    const { send, settings } = await started(t, { path });
    await send('main;work 2');
    await send('main;idle 3');
    const lines = readFileSync(path, 'utf8').trimEnd().split('\n');
    assert.deepEqual(
      lines.map((line) => toFolded(decodeOtlpJson(line))),
      ['main;work 2', 'main;idle 3'],
    );
    assert.equal(settings.meter.value('exporter_file_written_bytes'), statSync(path).size);
    assert.equal(settings.meter.value('exporter_sent_profile_samples'), 2);
  });

  it('writes protobuf, and anything compressed, behind its length as the Go exporter does, for the owner alone', async (t) => {
    const dir = folder(t);
    const proto = await started(t, { path: join(dir, 'proto'), format: 'proto' });
    assert.equal(statSync(join(dir, 'proto')).mode & 0o777, 0o600);
    await proto.send('a 1');
    await proto.send('b 2');
    const messages = frames(readFileSync(join(dir, 'proto')));
    assert.deepEqual(
      messages.map((m) => toFolded(decodeOtlp(m))),
      ['a 1', 'b 2'],
    );
    const packed = await started(t, { path: join(dir, 'packed'), compression: 'zstd' });
    await packed.send('a 1');
    const [message = Buffer.alloc(0)] = frames(readFileSync(join(dir, 'packed')));
    const plain = await decompress('zstd', message, { maxBytes: 1 << 20 });
    assert.equal(toFolded(decodeOtlpJson(plain)), 'a 1');
  });

  it('continues a file where asked, behind its last whole message', async (t) => {
    const dir = folder(t);
    const path = join(dir, 'proto');
    for (const text of ['a 1', 'b 2']) {
      const { send, exporter } = await started(t, { path, format: 'proto', append: true });
      await send(text);
      await exporter.shutdown(never());
      // A collector that was killed within a write.
      writeFileSync(path, Buffer.concat([readFileSync(path), Buffer.from([0, 0, 1, 0, 9, 9])]));
    }
    const { send, settings } = await started(t, { path, format: 'proto', append: true });
    await send('c 3');
    assert.deepEqual(
      frames(readFileSync(path)).map((m) => toFolded(decodeOtlp(m))),
      ['a 1', 'b 2', 'c 3'],
    );
    assert.match(settings.logger.messages('warn').join(), /last message of the file is not whole/);
    const lines = join(dir, 'lines');
    writeFileSync(lines, '{"half":');
    const other = await started(t, { path: lines, append: true });
    await other.send('a 1');
    assert.equal(readFileSync(lines, 'utf8').split('\n')[0], '{"half":');
    await assert.rejects(
      started(t, { path: lines, append: true, format: 'proto' }),
      /is no file of length-delimited/,
    );
  });

  it('puts full files aside under the names of upstream and keeps as many as asked', async (t) => {
    const dir = folder(t);
    const rotation = { max_megabytes: 1, max_backups: 2 };
    const { send, clock } = await started(t, { path: join(dir, 'out.json'), rotation });
    const large = (letter: string) => `${letter.repeat(700_000)} 1`;
    for (const letter of ['a', 'b', 'c', 'd']) {
      await send(large(letter));
      if (letter !== 'b') await clock.advance(1_000);
    }
    assert.deepEqual(readdirSync(dir).sort(), [
      'out-2026-01-02T15-04-06.001.json',
      'out-2026-01-02T15-04-07.000.json',
      'out.json',
    ]);
    const last = readFileSync(join(dir, 'out.json'), 'utf8');
    assert.match(toFolded(decodeOtlpJson(last.trimEnd())), /^d+ 1$/);
  });

  it('never writes over a backup, and removes those that are too old and nothing else', async (t) => {
    const dir = folder(t);
    const path = join(dir, 'out.json');
    const backups = new Backups(path, { max_megabytes: 1, max_days: 2, max_backups: 0, localtime: false });
    const others = [
      'out-2020-01-01T00-00-00.000.txt',
      'out-.json',
      'out-2020-99-01T00-00-00.000.jsonl',
      'outer.json',
    ];
    for (const name of others) writeFileSync(join(dir, name), '');
    writeFileSync(join(dir, 'out-2025-12-30T15-04-05.000.json'), '');
    for (const text of ['first', 'second']) {
      writeFileSync(path, text);
      await backups.putAside(path, NOW);
    }
    assert.equal(await backups.prune(NOW), 1);
    assert.deepEqual(
      readdirSync(dir).sort(),
      [...others, 'out-2026-01-02T15-04-05.000.json', 'out-2026-01-02T15-04-05.001.json'].sort(),
    );
  });

  it('makes a file anew that was moved or removed', async (t) => {
    const dir = folder(t);
    const path = join(dir, 'deep', 'out.json');
    const { send, settings } = await started(t, {
      path,
      create_directory: true,
      directory_permissions: '0700',
    });
    assert.equal(statSync(join(dir, 'deep')).mode & 0o777, 0o700);
    await send('a 1');
    rmSync(join(dir, 'deep'), { recursive: true });
    await send('b 2');
    assert.equal(toFolded(decodeOtlpJson(readFileSync(path, 'utf8').trimEnd())), 'b 2');
    assert.match(settings.logger.messages('warn').join(), /moved or removed/);
  });

  it('tries again while the disk is full', async (t) => {
    if (!existsSync('/dev/full')) throw new Error('this host has no /dev/full');
    const { send, clock, settings } = await started(t, {
      path: '/dev/full',
      retry_on_failure: {
        initial_interval: '1s',
        randomization_factor: 0,
        multiplier: 1,
        max_interval: '1s',
        max_elapsed_time: '2500ms',
      },
    });
    let outcome: Error | undefined;
    const sent = send('a 1').catch(
      (error: unknown) => void (outcome = error instanceof Error ? error : new Error('no error')),
    );
    while (outcome === undefined) {
      if (clock.pending.some((ms) => ms === 1_000)) await clock.advance(1_000);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await sent;
    assert.match(String(outcome), /cannot write "\/dev\/full": ENOSPC/);
    assert.equal(isPermanent(outcome), false);
    assert.equal(settings.meter.value('exporter_send_failed_profile_samples', { error_type: 'ENOSPC' }), 1);
  });

  it('takes back what of a message a full disk let through', (t) => {
    const path = join(folder(t), 'out.json');
    // A limit on the size of files ends a write in its middle, as a disk does that fills up.
    const script = `
      import { createFileExporter } from './src/exporters/file/exporter.ts';
      import { configSchema } from './src/exporters/file/config.ts';
      import { testSettings, testHost, never } from './src/internal/testing/settings.ts';
      import { batchFromFolded } from './src/pdata/folded.ts';
      const config = configSchema.parse({ path: process.argv[1], retry_on_failure: { enabled: false } });
      const exporter = createFileExporter(testSettings('file'), config);
      await exporter.start(testHost(), never());
      const outcomes = [];
      for (const name of ['a', 'b'.repeat(20_000), 'c'])
        await exporter.consumeProfiles(batchFromFolded(name + ' 1'), never())
          .then(() => outcomes.push('written'), (error) => outcomes.push(error.cause?.errorType));
      await exporter.shutdown(never());
      console.log(outcomes.join());`;
    const command = `ulimit -f 8; exec "$0" --import tsx --input-type=module --eval "$1" "$2"`;
    const output = execFileSync('bash', ['-c', command, process.execPath, script, path], {
      cwd: packageRoot(),
      encoding: 'utf8',
    });
    assert.equal(output.trim(), 'written,EFBIG,written');
    const lines = readFileSync(path, 'utf8').trimEnd().split('\n');
    assert.deepEqual(
      lines.map((line) => toFolded(decodeOtlpJson(line))),
      ['a 1', 'c 1'],
    );
  });

  it('writes groups to files of their own, and none outside of its folder', async (t) => {
    const dir = folder(t);
    const { exporter, settings } = await started(t, {
      path: join(dir, 'by-team', '*.json'),
      group_by: { enabled: true, resource_attribute: 'team', max_open_files: 1 },
    });
    const of = (team: string | undefined, text: string) =>
      batchFromFolded(text, { attributes: team === undefined ? {} : { team } });
    const batch = mergeBatches([
      of('blue', 'a 1'),
      of('red/deep', 'b 2'),
      of('../../etc', 'c 3\nd 4'),
      of(undefined, 'e 5'),
    ]);
    for (let round = 0; round < 2; round++) {
      await assert.rejects(exporter.consumeProfiles(batch, never()), isPermanent);
    }
    const files = readdirSync(dir, { recursive: true, encoding: 'utf8' }).filter((name) =>
      name.endsWith('.json'),
    );
    assert.deepEqual(files.sort(), ['by-team/blue.json', 'by-team/red/deep.json']);
    const lines = readFileSync(join(dir, 'by-team/blue.json'), 'utf8').trimEnd().split('\n');
    assert.deepEqual(
      lines.map((line) => toFolded(decodeOtlpJson(line))),
      ['a 1', 'a 1'],
    );
    const { meter } = settings;
    assert.equal(meter.value('exporter_sent_profile_samples'), 4);
    assert.equal(meter.value('exporter_send_failed_profile_samples'), 6);
    assert.equal(meter.value('exporter_file_dropped_profile_samples', { reason: 'bad_attribute' }), 4);
    assert.equal(meter.value('exporter_file_dropped_profile_samples', { reason: 'no_attribute' }), 2);
  });

  it('writes each group once however often another one fails', async (t) => {
    const dir = folder(t);
    const { exporter, clock } = await started(t, {
      path: join(dir, '*'),
      group_by: { enabled: true, resource_attribute: 'team' },
      retry_on_failure: { initial_interval: '1s', randomization_factor: 0, multiplier: 1 },
    });
    // What should be a folder is a file, until it is removed.
    writeFileSync(join(dir, 'red'), '');
    const of = (team: string, text: string) => batchFromFolded(text, { attributes: { team } });
    let isDone = false;
    const sent = exporter
      .consumeProfiles(mergeBatches([of('blue', 'a 1'), of('red/deep', 'b 2')]), never())
      .finally(() => (isDone = true));
    for (let retries = 0; !isDone; ) {
      if (clock.pending.some((ms) => ms === 1_000)) {
        if (++retries === 3) rmSync(join(dir, 'red'));
        await clock.advance(1_000);
      }
      await new Promise((resolve) => setImmediate(resolve));
    }
    await sent;
    const blue = readFileSync(join(dir, 'blue'), 'utf8').trimEnd().split('\n');
    assert.equal(blue.length, 1);
    assert.equal(toFolded(decodeOtlpJson(readFileSync(join(dir, 'red/deep'), 'utf8'))), 'b 2');
  });

  it('refuses what cannot be, in the words of upstream where it has some', () => {
    for (const [config, message] of [
      [{ path: '' }, 'path must be non-empty'],
      [
        { path: 'a', append: true, rotation: {} },
        'append and rotation enabled at the same time is not supported (with rotation, a file that exists is always continued)',
      ],
      [
        { path: 'a', directory_permissions: '0700' },
        'directory_permissions requires create_directory to be true',
      ],
      [
        { path: 'a', create_directory: true, directory_permissions: '0788' },
        'directory_permissions value must be a valid octal representation (example: "0750")',
      ],
      [
        { path: 'a', create_directory: true, directory_permissions: '7777' },
        'directory_permissions contain invalid bits for file access (at most "0777")',
      ],
      [{ path: 'a*' }, 'must not contain "*" unless group_by is enabled'],
      [
        { path: 'a*b*', group_by: { enabled: true } },
        'path must contain exactly one * when group_by is enabled',
      ],
      [{ path: '*a', group_by: { enabled: true } }, 'path must not start with * when group_by is enabled'],
      [
        { path: 'a', encoding: 'otlp_encoding' },
        'is not supported: this distribution has no encoding extensions (use "format")',
      ],
    ] as const) {
      const { error } = configSchema.safeParse(config);
      const messages = error?.issues
        .flatMap((i) => ('errors' in i ? i.errors.flat() : [i]))
        .map((i) => i.message);
      assert.ok(messages?.includes(message), JSON.stringify([config, messages]));
    }
  });
});
