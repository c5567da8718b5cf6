// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { packageRoot } from '../../src/internal/package-root.ts';
import { WITHOUT_ROOT } from '../left-out.ts';
import { assertAddsUp, record, type Recorded, untilStats } from './recording.ts';
import { type Seen, seenOf } from './seen.ts';

/** What workloads/cornered.c does, and the reason that its stacks are counted under. */
const ERRORS = {
  'frame-pointer': 'bad_frame_pointer',
  memory: 'memory_read',
  pc: 'pc_not_executable',
  cfa: 'cfa_not_growing',
  steps: 'step_limit',
  compat: '32_bit_process',
} as const;
/** What it does besides, and the figure that tells. */
const OTHERS = {
  mappings: 'mappings_over_limit',
  dump: 'jit_dumps_malformed',
} as const;
const WAYS = [...Object.keys(ERRORS), ...Object.keys(OTHERS)];
const ENOUGH = 20;

describe('programs whose stacks cannot be walked', { timeout: 120_000, skip: WITHOUT_ROOT }, () => {
  const dir = mkdtempSync(join(tmpdir(), 'otelcol-profiles-cornered-'));
  const children = new Map<string, ChildProcess>();
  let recorded: Recorded;

  const figure = (name: string): number => recorded.stats[name] ?? assert.fail(`no figure ${name}`);
  const seen = (way: string): Seen[] => {
    const { batch } = recorded;
    return batch === undefined ? [] : seenOf(batch, (pid) => pid === children.get(way)?.pid);
  };

  before(async () => {
    const program = join(dir, 'cornered');
    const source = join(packageRoot(), 'test', 'e2e', 'workloads', 'cornered.c');
    execFileSync('gcc', ['-O0', '-fno-omit-frame-pointer', '-rdynamic', '-o', program, source]);
    recorded = await record({ samples_per_second: 499 }, async (of) => {
      for (const way of WAYS) children.set(way, spawn(program, [way, dir], { stdio: 'ignore' }));
      await untilStats(
        of,
        (stats) =>
          Object.values(ERRORS).every((reason) => (stats[`unwind_error_${reason}`] ?? 0) > ENOUGH) &&
          Object.values(OTHERS).every((name) => (stats[name] ?? 0) > 0),
      );
    });
  });
  after(() => {
    for (const child of children.values()) child.kill('SIGKILL');
    rmSync(dir, { recursive: true, force: true });
  });

  for (const [way, reason] of Object.entries(ERRORS)) {
    it(`say so in every sample, and count as ${reason}`, () => {
      assert.ok(figure(`unwind_error_${reason}`) > ENOUGH);
      const samples = seen(way);
      // The first ones are of the program's start.
      const marked = samples.filter((s) => s.attributes.get('otelcol.profiles.stack.truncated') === 'true');
      assert.ok(
        marked.length > ENOUGH && marked.length > samples.length * 0.8,
        `${marked.length} of ${samples.length}`,
      );
    });
  }

  it('are each complete or counted under one reason', () => {
    const withoutRegisters = ['unwind_error_32_bit_process', 'unwind_error_no_user_registers'];
    const ended = Object.keys(recorded.stats).filter(
      (name) =>
        ['user_stacks_complete', 'unwind_table_missing', 'unknown_process'].includes(name) ||
        (name.startsWith('unwind_error_') && !withoutRegisters.includes(name)),
    );
    const sum = ended.reduce((total, name) => total + figure(name), 0);
    assert.equal(sum, figure('user_stacks'), JSON.stringify(recorded.stats));
    assertAddsUp(recorded);
    assert.equal(figure('samples_emitted') + figure('drop_ring_full'), figure('samples'));
  });

  it('are seen in a program that maps more than is kept of one, or what is neither ELF nor jitdump', () => {
    for (const way of Object.keys(OTHERS)) assert.ok(seen(way).length > 0, way);
    assert.ok(figure('jit_dumps_malformed') > 0);
    assert.ok(figure('files_not_elf') > 0);
    assert.ok(figure('runtime_offsets_unknown') > 0);
    assert.ok(figure('frame_pointer_steps') > 0);
  });

  it('are new ones that wait, for whose tables no walk off the CPU does', async () => {
    let copies = 0;
    const { stats } = await record({ samples_per_second: 20, off_cpu_threshold: 1 }, async (source) => {
      const missed = ({ unwind_table_missing: tables = 0, unknown_process: processes = 0 }): boolean =>
        tables > 0 && processes > 0;
      while (!missed(source.stats()) && copies < 100) {
        const program = join(dir, `sleeper-${copies++}`);
        copyFileSync(join(dir, 'cornered'), program);
        const child = spawn(program, ['sleep', dir], { stdio: 'ignore' });
        children.set(program, child);
        await delay(50);
      }
    });
    assert.ok((stats['unwind_table_missing'] ?? 0) > 0, JSON.stringify(stats));
    assert.ok((stats['unknown_process'] ?? 0) > 0, JSON.stringify(stats));
  });

  it('are watched by figures that move', () => {
    // libc and ld.so have rows that no rule of ours can say.
    for (const name of ['execs', 'forks', 'mmaps', 'process_syncs', 'table_rows_unsupported']) {
      assert.ok(figure(name) > 0, name);
    }
  });
});
