// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { FakeClock } from '../../internal/testing/fake-clock.ts';
import { errorText } from './log-encoding.ts';
import { openLogOutput } from './log-output.ts';
import { LogSampler } from './log-sampler.ts';
import { createLogger, type LoggerOptions } from './logger.ts';

const START = Date.UTC(2026, 0, 2, 15, 4, 5);
const SAMPLING = { enabled: true, tick: 10_000, initial: 10, thereafter: 100 };

function make(options: Partial<LoggerOptions> = {}) {
  const lines: string[] = [];
  const clock = new FakeClock(START);
  const logger = createLogger({
    level: 'info',
    encoding: 'console',
    sampling: SAMPLING,
    fields: {},
    write: (line) => void lines.push(line),
    clock,
    ...options,
  });
  return { lines, clock, logger };
}

describe('logger', () => {
  it('writes console lines as the Collector does', () => {
    const { lines, logger } = make();
    logger.info('Everything is ready. Begin running and processing data.');
    logger
      .with({ 'otelcol.component.id': 'otlp', 'otelcol.component.kind': 'receiver' })
      .warn('slow', { ms: 5 });
    assert.deepEqual(lines, [
      '2026-01-02T15:04:05.000Z\tinfo\tEverything is ready. Begin running and processing data.\n',
      '2026-01-02T15:04:05.000Z\twarn\tslow\t{"otelcol.component.id":"otlp","otelcol.component.kind":"receiver","ms":5}\n',
    ]);
  });

  it('writes JSON lines with level, ts and msg', () => {
    const { lines, logger } = make({ encoding: 'json', fields: { host: 'a' } });
    logger.error('lost', {
      error: new Error('send', { cause: new Error('socket closed') }),
      bytes: 2n ** 60n,
    });
    assert.deepEqual(JSON.parse(lines[0] ?? ''), {
      level: 'error',
      ts: '2026-01-02T15:04:05.000Z',
      msg: 'lost',
      host: 'a',
      error: 'send: socket closed',
      bytes: '1152921504606846976',
    });
  });

  it('writes nothing below its level', () => {
    for (const [level, want] of [
      ['debug', 4],
      ['info', 3],
      ['warn', 2],
      ['error', 1],
      ['fatal', 0],
    ] as const) {
      const { lines, logger } = make({ level });
      logger.debug('a');
      logger.info('b');
      logger.warn('c');
      logger.error('d');
      assert.equal(lines.length, want, level);
    }
  });

  it('keeps an entry on one line whatever a peer put into it', () => {
    for (const encoding of ['console', 'json'] as const) {
      const { lines, logger } = make({ encoding });
      logger.info('a\n2026\tinfo\tforged\u001b[2J', { text: 'b\nc' });
      assert.equal(lines.join('').split('\n').length, 2);
      assert.equal(lines.join('').includes('\u001b'), false);
    }
  });

  it('survives fields that JSON cannot hold', () => {
    const { lines, logger } = make();
    const circular: Record<string, unknown> = { count: 1 };
    circular.self = circular;
    logger.info('odd', { circular, simple: 'kept' });
    assert.match(lines[0] ?? '', /"simple":"kept"/);
  });

  it('adds stack traces at level debug alone', () => {
    const error = new TypeError('no such thing');
    const debug = make({ level: 'debug' });
    debug.logger.error('failed', { error });
    assert.match(debug.lines[0] ?? '', /"stacktrace":"TypeError: no such thing\\n {4}at /);
    const info = make();
    info.logger.error('failed', { error });
    assert.equal(info.lines[0]?.includes('stacktrace'), false);
  });

  it('holds back repeats, says how many, and keeps components apart', async () => {
    let heldBack = 0;
    const { lines, clock, logger } = make({ onHeldBack: () => heldBack++ });
    const otlp = logger.with({ 'otelcol.component.id': 'otlp' });
    for (let i = 0; i < 250; i++) otlp.warn('refused');
    assert.equal(lines.length, 10 + 2);
    assert.match(lines[10] ?? '', /"repeats_held_back":99/);
    logger.with({ 'otelcol.component.id': 'other' }).warn('refused');
    assert.equal(lines.length, 13);
    await clock.advance(10_000);
    otlp.warn('refused');
    assert.match(lines[13] ?? '', /"repeats_held_back":40/);
    assert.equal(heldBack, 238);
  });
});

describe('log sampler', () => {
  it('lets everything pass when it is off, and only the initial entries when none follow', () => {
    const off = new LogSampler({ ...SAMPLING, enabled: false });
    assert.equal(
      Array.from({ length: 50 }, () => off.pass('a', 0)).every((n) => n === 0),
      true,
    );
    const none = new LogSampler({ ...SAMPLING, thereafter: 0 });
    assert.equal(Array.from({ length: 500 }, () => none.pass('a', 0)).filter((n) => n === 0).length, 10);
  });

  it('holds on to a bounded number of kinds', () => {
    const sampler = new LogSampler({ ...SAMPLING, initial: 1, thereafter: 0 });
    assert.equal(sampler.pass('first', 0), 0);
    for (let i = 0; i < 5_000; i++) sampler.pass(`kind ${i}`, 0);
    assert.equal(sampler.pass('first', 0), 0);
    assert.equal(sampler.pass('kind 4999', 0), undefined);
  });
});

describe('error text', () => {
  it('follows causes and does not repeat what a message quotes', () => {
    const root = new Error('connection refused');
    assert.equal(errorText(new Error('send', { cause: root })), 'send: connection refused');
    assert.equal(
      errorText(new Error('send: connection refused', { cause: root })),
      'send: connection refused',
    );
    assert.equal(errorText(new AggregateError([root, new Error('b')])), 'connection refused; b');
    assert.equal(errorText(new AggregateError([root], '1 of 2 failed')), '1 of 2 failed');
    assert.equal(errorText('text'), 'text');
    assert.equal(errorText(new RangeError()), 'RangeError');
  });

  it('ends although causes go in a circle', () => {
    const error = new Error('a');
    error.cause = new Error('b', { cause: error });
    assert.equal(errorText(error).startsWith('a: b'), true);
  });
});

describe('log output', () => {
  it('appends to files and names the path it cannot open', () => {
    const folder = mkdtempSync(join(tmpdir(), 'log-output-'));
    try {
      const path = join(folder, 'own.log');
      const output = openLogOutput([path]);
      output.write('one\n');
      output.write('two\n');
      output.close();
      assert.equal(readFileSync(path, 'utf8'), 'one\ntwo\n');
      assert.throws(() => openLogOutput([join(folder, 'no', 'own.log')]), {
        message: /^service::telemetry::logs::output_paths: cannot open ".*own\.log": ENOENT/,
      });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
