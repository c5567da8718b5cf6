// SPDX-License-Identifier: Apache-2.0
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Frame, Seen } from '../e2e/seen.ts';

/** `perf` as a peer: what it says of the same programs, with its copies of 16 KiB of stack unwound by DWARF. */
export function hasPerf(): boolean {
  return spawnSync('perf', ['--version']).status === 0;
}

/** `             4011d6 main+0x16 (/tmp/truth-c)` */
const FRAME = /^\s+([0-9a-f]+) (.*) \(([^()]*)\)$/;
/** `truth-c  1234/1235  1700000000.123456789: ` */
const HEAD = /^.*?\s+(\d+)\/(\d+)\s+(\d+)\.(\d{9}):/;

function frameOf(line: string): Frame | undefined {
  const [, address = '0', symbol = '', dso = ''] = FRAME.exec(line) ?? [];
  if (dso === '') return undefined;
  const name = symbol.replace(/\+0x[0-9a-f]+$/, '');
  return {
    type: dso.startsWith('[k') || dso === '[guest.kernel.kallsyms]' ? 'kernel' : 'native',
    name: name === '[unknown]' ? '' : name,
    file: '',
    line: 0,
    mapping: dso.split('/').pop() ?? '',
    address: BigInt(`0x${address}`),
    inlined: false,
  };
}

/** Records the processes for so many seconds. */
export function recordWithPerf(pids: readonly number[], seconds: number, hz: number): Seen[] {
  const dir = mkdtempSync(join(tmpdir(), 'otelcol-profiles-perf-'));
  try {
    const data = join(dir, 'perf.data');
    const options = [
      '-k',
      'CLOCK_REALTIME',
      '-e',
      'cpu-clock',
      '-F',
      String(hz),
      '--call-graph',
      'dwarf,16384',
    ];
    execFileSync(
      'perf',
      ['record', '-q', ...options, '-o', data, '-p', pids.join(','), '--', 'sleep', String(seconds)],
      { stdio: 'ignore' },
    );
    const fields = ['--ns', '--no-inline', '-F', 'comm,pid,tid,time,ip,sym,symoff,dso'];
    const text = execFileSync('perf', ['script', '-i', data, ...fields], {
      encoding: 'utf8',
      maxBuffer: 1 << 30,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    return text.split('\n\n').flatMap((record): Seen[] => {
      const [head = '', ...lines] = record.replace(/^\n+/, '').split('\n');
      const [, pid = '', thread = '', seconds_ = '0', ns = '0'] = HEAD.exec(head) ?? [];
      const frames = lines.flatMap((line) => frameOf(line) ?? []).reverse();
      if (pid === '') return [];
      const timeNs = BigInt(seconds_) * 1_000_000_000n + BigInt(ns);
      return [{ frames, timeNs, thread, pid: Number(pid), attributes: new Map(), executable: '' }];
    });
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}
