// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { encodeOtlpJson } from '../../src/codecs/otlp/json.ts';
import { packageRoot } from '../../src/internal/package-root.ts';
import { batchFromFolded } from '../../src/pdata/folded.ts';
import { Destination, duplicates } from '../faults/line.ts';

const KILLS = 4;
const MESSAGES = 400;

const line = (number: number): string =>
  `${Buffer.from(encodeOtlpJson(batchFromFolded(`main;request-number-${number}! 1`))).toString()}\n`;

/** The built program from a file to a destination, without a queue: what is read is delivered. */
function reader(t: TestContext, destination: Destination) {
  const dir = mkdtempSync(join(tmpdir(), 'file-positions-'));
  const config = join(dir, 'config.yaml');
  writeFileSync(
    config,
    `receivers: { file: { include: ["${dir}/in*.json"], start_at: beginning, poll_interval: 10ms, storage: file_storage } }
exporters:
  otlp_http: { endpoint: "http://127.0.0.1:${destination.port}", compression: none, sending_queue: { enabled: false } }
extensions: { file_storage: { directory: "${dir}/storage", create_directory: true } }
service:
  extensions: [file_storage]
  telemetry: { metrics: { level: none } }
  pipelines: { profiles: { receivers: [file], exporters: [otlp_http] } }
`,
  );
  let child: ChildProcess | undefined;
  let log = '';
  const end = async (signal: 'SIGTERM' | 'SIGKILL'): Promise<void> => {
    if (child === undefined) return;
    const exited = once(child, 'exit');
    child.kill(signal);
    await exited;
    child = undefined;
  };
  t.after(async () => {
    await end('SIGKILL');
    rmSync(dir, { recursive: true, force: true });
  });
  return {
    path: (name: string) => join(dir, name),
    end,
    log: () => log,
    async start(): Promise<void> {
      log = '';
      const started = spawn(join(packageRoot(), 'bin', 'otelcol-profiles'), ['--config', config], {
        stdio: ['ignore', 'ignore', 'pipe'],
      });
      child = started;
      await new Promise<void>((resolve, reject) => {
        started.stderr.setEncoding('utf8').on('data', (chunk: string) => {
          log += chunk;
          if (log.includes('Everything is ready')) resolve();
        });
        started.once('exit', (code) => reject(new Error(`the collector ended with ${code}: ${log}`)));
      });
    },
  };
}

describe('the built program that reads a file with its place on the disk', { timeout: 60_000 }, () => {
  it('goes on where it was when it is killed, and after a rotation that it did not see', async (t) => {
    const destination = new Destination();
    await destination.up();
    t.after(() => destination.down());
    const program = reader(t, destination);
    const numbers = Array.from({ length: MESSAGES }, (_, index) => index);
    writeFileSync(program.path('in.json'), numbers.map(line).join(''));
    for (let kill = 1; kill <= KILLS; kill++) {
      await program.start();
      while (destination.seen.size < (kill * MESSAGES) / (KILLS + 2)) await delay(1);
      await program.end('SIGKILL');
    }
    assert.ok(destination.seen.size < MESSAGES, 'it was killed while there was something to read');
    // While nobody looks, the file is moved away and goes on under its old name.
    renameSync(program.path('in.json'), program.path('in-1.json'));
    appendFileSync(program.path('in-1.json'), line(MESSAGES));
    writeFileSync(program.path('in.json'), line(MESSAGES + 1));
    await program.start();
    assert.match(program.log(), /reading goes on where an earlier run was/);
    while (destination.seen.size < MESSAGES + 2) await delay(10);
    await program.end('SIGTERM');
    // A message that was delivered and not yet noted comes twice.
    assert.ok(duplicates(destination) <= KILLS, `${duplicates(destination)} duplicates`);
    const before = duplicates(destination);
    appendFileSync(program.path('in.json'), line(MESSAGES + 2));
    await program.start();
    while (destination.seen.size < MESSAGES + 3) await delay(10);
    assert.equal(duplicates(destination), before, 'nothing is read twice after an orderly stop');
  });
});
