// SPDX-License-Identifier: Apache-2.0
// A profiler in a process of its own, for tests that take something away from it: privileges, /proc, time.
// Prints a line when it runs, profiles until its standard input ends, and prints what it saw.
import { text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { loadAddon } from '../../src/native/addon.ts';
import { record, seenProcesses, tablesLoaded, untilStats } from './recording.ts';

const [options = '{}', fallBack] = process.argv.slice(2);
const parsed: unknown = JSON.parse(options);
const recorded = await record(
  typeof parsed === 'object' && parsed !== null ? { ...parsed } : {},
  async (source) => {
    // Before the programs that run are known there are no tables to wait for.
    if (source.mode === 'ebpf') {
      await untilStats(source, ({ processes = 0, tables_loaded = 0 }) => processes > 0 && tables_loaded > 0);
    }
    await tablesLoaded(source);
    console.log('ready');
    await text(process.stdin);
    // What is judged are the stacks of the last moment, when all tables are there.
    await tablesLoaded(source);
    await source.collect();
    await delay(700);
  },
  loadAddon,
  fallBack !== undefined,
);
console.log(
  JSON.stringify({
    stats: recorded.stats,
    delivered: recorded.delivered,
    processes: seenProcesses(recorded.batch),
  }),
);
