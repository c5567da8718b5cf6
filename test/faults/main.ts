// SPDX-License-Identifier: Apache-2.0
// Faults under load, each with a count of what was sent, acknowledged, delivered, refused and lost. Needs the built
// program, and root for the disks. Usage: npm run test:faults [-- part of a name]
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Destination, duplicates, Line, type LineOptions, missing, Source } from './line.ts';

const KILLS = 50;
const OUTAGE_MS = 60_000;
const DRAIN_LIMIT_MS = 60_000;
const PADDING = 2000;
const IDLE_CONNECTIONS = 10_000;
const DISK = { queue: 'queue_size: 1000000', storage: '' };
const MEMORY = { queue: 'queue_size: 1000000' };

interface Bench {
  readonly destination: Destination;
  readonly line: Line;
  readonly source: Source;
}

interface Fault {
  readonly name: string;
  readonly options: LineOptions;
  /** What the storage lies on, if it is not the temporary directory. */
  prepare?(line: Line): void;
  cleanup?(line: Line): void;
  /** Under load; remarks for the report. */
  run(bench: Bench): Promise<string>;
  /** Requests that may be lost of those acknowledged: none, unless the fault takes the queue away. */
  readonly mayLose?: boolean;
}

/** Milliseconds until everything acknowledged has arrived. */
async function drainMs({ source, destination }: Bench): Promise<number> {
  const from = performance.now();
  await missing(source, destination, DRAIN_LIMIT_MS);
  return performance.now() - from;
}

async function outage(bench: Bench): Promise<string> {
  await bench.destination.down();
  await delay(OUTAGE_MS);
  const age = await bench.line.metric('exporter_queue_oldest_age_seconds');
  const bytes = await bench.line.metric('exporter_queue_memory_bytes');
  await bench.source.stop();
  await bench.destination.up();
  const ms = await drainMs(bench);
  return `queue at most ${(bytes / 1e6).toFixed(1)} MB in memory, ${age.toFixed(0)} s old; drained in ${(ms / 1000).toFixed(1)} s`;
}

const storageOf = (line: Line): string => join(line.dir, 'storage');

/** A file system of 8 MiB below the storage. */
function smallDisk(line: Line): void {
  mkdirSync(storageOf(line), { recursive: true });
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8m,mode=700', 'none', storageOf(line)]);
}

const unmount = (line: Line): void => void execFileSync('umount', ['-l', storageOf(line)]);

const FAULTS: readonly Fault[] = [
  { name: 'destination away for 60 s, queue in memory', options: MEMORY, run: outage },
  { name: 'destination away for 60 s, queue on the disk', options: DISK, run: outage },
  {
    name: `kill -9, ${KILLS} times`,
    options: DISK,
    async run({ destination, line }) {
      for (let kill = 0; kill < KILLS; kill++) {
        if (kill % 5 === 1) await destination.down();
        if (kill % 5 === 4) await destination.up();
        await delay(100 + Math.random() * 700);
        await line.end('SIGKILL');
        await line.start();
      }
      await destination.up();
      return '';
    },
  },
  {
    name: 'disk full',
    options: DISK,
    prepare: smallDisk,
    cleanup: unmount,
    async run({ destination, line, source }) {
      await destination.down();
      while (source.refused < 100) await delay(50);
      const alive = line.pid > 0;
      await destination.up();
      const before = source.accepted.size;
      while (source.accepted.size < before + 200) await delay(50);
      return alive ? 'refused while full, took requests again after' : 'died';
    },
  },
  {
    name: 'disk filled by others',
    options: DISK,
    prepare: smallDisk,
    cleanup: unmount,
    async run({ line, source }) {
      const ballast = join(storageOf(line), 'ballast');
      spawnSync('dd', ['if=/dev/zero', `of=${ballast}`, 'bs=4k'], { stdio: 'ignore' });
      const refused = source.refused;
      while (source.refused < refused + 100) await delay(50);
      rmSync(ballast);
      const before = source.accepted.size;
      while (source.accepted.size < before + 200) await delay(50);
      return 'refused meanwhile, took requests again after';
    },
  },
  {
    name: 'storage damaged between two runs',
    options: DISK,
    mayLose: true,
    async run({ destination, line, source }) {
      await destination.down();
      await delay(3000);
      await source.stop();
      await line.end('SIGKILL');
      const [folder = ''] = readdirSync(storageOf(line)).filter((name) => name !== 'lock');
      for (const name of readdirSync(join(storageOf(line), folder))) {
        const path = join(storageOf(line), folder, name);
        const bytes = readFileSync(path);
        for (let at = 5000; at < bytes.length; at += 500_000) bytes.fill(0xff, at, at + 100);
        writeFileSync(path, bytes);
      }
      await destination.up();
      await line.start();
      await delay(3000);
      const failed = await line.metric('exporter_send_failed_profile_samples');
      const skipped = await line.metric('extension_storage_skipped_bytes');
      return `${failed} counted as corrupted, ${skipped} bytes passed over`;
    },
  },
  {
    name: 'slow destination (500 ms an answer), queue of 100',
    options: { queue: 'queue_size: 100' },
    async run({ destination }) {
      destination.delayMs = 500;
      await delay(10_000);
      destination.delayMs = 0;
      return 'what is beyond the queue is refused';
    },
  },
  {
    name: 'flapping destination (503 and away, 20 times)',
    options: DISK,
    async run({ destination }) {
      for (let i = 0; i < 20; i++) {
        destination.status = i % 2 === 0 ? 503 : 200;
        if (i % 3 === 0) await destination.down();
        await delay(300);
        await destination.down();
        await destination.up();
      }
      destination.status = 200;
      return '';
    },
  },
  {
    name: `${IDLE_CONNECTIONS.toLocaleString('en')} idle connections`,
    options: MEMORY,
    async run({ line, source }) {
      const sockets: Socket[] = [];
      for (let i = 0; i < IDLE_CONNECTIONS; i++) {
        const socket = connect(line.port, '127.0.0.1').on('error', () => undefined);
        sockets.push(socket);
        if (i % 200 === 199) await delay(10);
      }
      await delay(2000);
      const open = sockets.filter((socket) => socket.readyState === 'open').length;
      const before = source.accepted.size;
      await delay(5000);
      const served = source.accepted.size - before;
      for (const socket of sockets) socket.destroy();
      const rss = /^VmRSS:\s*(\d+)/m.exec(readFileSync(`/proc/${line.pid}/status`, 'utf8'))?.[1] ?? '0';
      return `${open} open; ${served} requests served beside them in 5 s; RSS ${(Number(rss) / 1024).toFixed(0)} MiB`;
    },
  },
];

/** Runs one fault; gives back its row of the report, and whether it held. */
async function inject(fault: Fault): Promise<{ row: string; held: boolean }> {
  const destination = new Destination();
  await destination.up();
  const line = await Line.to(destination, fault.options);
  fault.prepare?.(line);
  const source = new Source(line.url, PADDING);
  try {
    await line.start();
    source.start();
    await delay(500);
    const remark = await fault.run({ destination, line, source });
    await source.stop();
    await destination.down();
    await destination.up();
    const lost = await missing(source, destination, DRAIN_LIMIT_MS / (fault.mayLose === true ? 10 : 1));
    const cells = [
      fault.name,
      source.sent,
      source.accepted.size,
      source.refused,
      source.broken,
      destination.seen.size,
      duplicates(destination),
      lost,
      remark,
    ];
    return { row: `| ${cells.join(' | ')} |`, held: lost === 0 || fault.mayLose === true };
  } finally {
    await source.stop();
    await line.end('SIGKILL');
    fault.cleanup?.(line);
    await line.dispose();
    await destination.down();
  }
}

const part = process.argv[2] ?? '';
process.stdout.write(
  '| fault | sent | acknowledged | refused | no answer | arrived | twice | lost | |\n|---|---|---|---|---|---|---|---|---|\n',
);
for (const fault of FAULTS.filter(({ name }) => name.includes(part))) {
  const { row, held } = await inject(fault);
  process.stdout.write(`${row}\n`);
  if (!held) process.exitCode = 1;
}
