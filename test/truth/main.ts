// SPDX-License-Identifier: Apache-2.0
// Scores the profiler against programs that know their own stacks, and perf beside it where it is installed.
// Needs root. Usage: npm run truth [-- seconds [hz [part of a program's name]]]
import { cpus, release } from 'node:os';
import { measure } from './measure.ts';
import { scoreLines } from './lines.ts';
import { hasPerf, recordWithPerf } from './perf.ts';
import { PROGRAMS, startPrograms } from './programs.ts';
import { score } from './score.ts';

const [seconds = 20, hz = 199] = process.argv.slice(2, 4).map(Number);
const part = process.argv[4] ?? '';
const PERF_SECONDS = 5;

const share = (of: number, all: number): string => (all === 0 ? '' : `${((of / all) * 100).toFixed(2)} %`);
const say = (line: string): boolean => process.stdout.write(`${line}\n`);

const running = await startPrograms(PROGRAMS.filter((program) => program.name.includes(part)));
try {
  const measured = await measure(running, hz, seconds);
  const theirs = hasPerf() ? recordWithPerf([...running.byPid.keys()], PERF_SECONDS, hz) : undefined;
  say(`${release()}, ${cpus().length} CPUs, ${hz} Hz, ${seconds} s from the first sample on\n`);
  say(
    '| program | events | complete | right order and depth | of these, whole | foreign | named | lines agree | perf: complete | perf: right |',
  );
  say('|---|---|---|---|---|---|---|---|---|---|');
  const remarks: string[] = [];
  for (const [program, seen] of measured.byProgram) {
    const ours = score(program, seen);
    const lines = program.lines === true ? scoreLines(seen[0]?.executable ?? '', seen) : undefined;
    const peer =
      theirs === undefined || program.executable !== undefined
        ? undefined
        : score(
            program,
            theirs
              .filter((event) => running.byPid.get(event.pid) === program)
              .map((event) => ({ ...event, executable: seen[0]?.executable ?? '' })),
          );
    const cells = [
      program.name,
      String(ours.events),
      share(ours.complete, ours.events),
      share(ours.right, ours.judged),
      share(ours.whole, ours.judged),
      ours.judged === 0 ? '' : String(ours.foreign),
      share(ours.named, ours.frames),
      lines === undefined ? '' : `${share(lines.agreed, lines.addresses)} of ${lines.addresses}`,
      peer === undefined ? '' : share(peer.complete, peer.events),
      peer === undefined ? '' : share(peer.right, peer.judged),
    ];
    say(`| ${cells.join(' | ')} |`);
    remarks.push(...[...ours.examples, ...(lines?.examples ?? [])].map((text) => `${program.name}: ${text}`));
  }
  const dropped = Object.entries(measured.stats).filter(([name, n]) => name.startsWith('drop_') && n > 0);
  say(
    `\ntaken ${measured.stats['samples'] ?? 0}, delivered ${measured.delivered}, dropped ${JSON.stringify(Object.fromEntries(dropped))}`,
  );
  for (const name of ['user_stacks', 'user_stacks_complete', 'user_stacks_resumed', 'resumed_stacks_gave_up'])
    say(`${name} ${measured.stats[name] ?? 0}`);
  for (const remark of remarks) process.stderr.write(`${remark.slice(0, 600)}\n`);
} finally {
  running.stop();
}
