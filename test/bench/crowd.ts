// SPDX-License-Identifier: Apache-2.0
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { packageRoot } from '../../src/internal/package-root.ts';
import { CollectorProcess, statusMib } from './collector-process.ts';
import { verdict } from './report.ts';

const SOURCE = join(packageRoot(), 'test', 'bench', 'programs', 'crowd.c');
const BINARIES = 100;
const PROCESSES = 300;
/** Of its time each process works so many thousandths: together about one CPU. */
const PERMILLE = '3';
const HZ = 97;

function startCrowd(dir: string): ChildProcess[] {
  for (let i = 0; i < BINARIES; i++)
    execFileSync('gcc', ['-O2', `-DSEED=${i}`, '-o', join(dir, `crowd-${i}`), SOURCE, '-lm']);
  return Array.from({ length: PROCESSES }, (_, i) =>
    spawn(join(dir, `crowd-${i % BINARIES}`), [PERMILLE], { stdio: 'ignore' }),
  );
}

/** Memory and start on a host of many processes, for so many minutes. */
export async function benchCrowd(minutes: number, print: (line: string) => void): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'otelcol-profiles-crowd-'));
  const children = startCrowd(dir);
  try {
    await delay(2000);
    const collector = new CollectorProcess(HZ);
    try {
      const data = await collector.firstDataMs();
      const rss: number[] = [];
      for (let minute = 0; minute < minutes; minute++) {
        await delay(60_000);
        rss.push(statusMib(collector.pid, 'VmRSS'));
      }
      const last = await collector.read();
      const peak = Math.max(...rss);
      print(`${PROCESSES} processes of ${BINARIES} binaries, ${HZ} Hz, ${minutes} min:`);
      print(
        `exec to attached ${collector.attachedMs.toFixed(0)} ms (${verdict(collector.attachedMs, { floor: 1000, aim: 300, atMost: true })}), data ${data.toFixed(0)} ms`,
      );
      print(
        `RSS by minute ${rss.map((mib) => mib.toFixed(0)).join(' ')} MiB, at most ${peak.toFixed(0)} (${verdict(peak, { floor: 200, aim: 120, atMost: true })}); maps ${(last.native('map_bytes') / 2 ** 20).toFixed(1)} MiB; ${last.native('processes')} processes, ${last.native('files')} files; process ${((last.cpuMs / last.atMs) * 100).toFixed(2)} %`,
      );
    } finally {
      await collector.stop();
    }
  } finally {
    for (const child of children) child.kill('SIGKILL');
    rmSync(dir, { recursive: true, force: true });
  }
}
