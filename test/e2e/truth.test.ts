// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { WITHOUT_ROOT } from '../left-out.ts';
import { scoreLines } from '../truth/lines.ts';
import { measure, type Measured } from '../truth/measure.ts';
import { PROGRAMS, type RunningPrograms, startPrograms } from '../truth/programs.ts';
import { score } from '../truth/score.ts';

const HZ = 199;
const SECONDS = 10;

const share = (of: number, all: number): number => of / Math.max(1, all);
const percent = (value: number): string => `${(value * 100).toFixed(2)} %`;

describe('programs that know their own stacks', { timeout: 480_000, skip: WITHOUT_ROOT }, () => {
  let running: RunningPrograms | undefined;
  let measured: Measured;

  before(async () => {
    running = await startPrograms(PROGRAMS);
    measured = await measure(running, HZ, SECONDS);
    assert.ok(measured.settledNs > 0n, 'tables were still loading at the end');
  });

  after(() => running?.stop());

  for (const program of PROGRAMS) {
    it(`${program.name}: complete, named, in the right order and depth`, () => {
      const all = measured.byProgram.get(program) ?? [];
      const first = score(program, all);
      // Until then signal handlers on stacks of their own are cut.
      const steady = score(
        program,
        all.filter((event) => event.timeNs > measured.settledNs),
      );
      assert.ok(steady.events >= 50, `${steady.events} events`);
      const examples = steady.examples.map((text) => text.slice(0, 400)).join('\n');
      const complete = share(steady.complete, steady.events);
      assert.ok(complete >= 0.995, `${percent(complete)} complete:\n${examples}`);
      // Tables of the whole host are loaded meanwhile.
      const atOnce = share(first.complete, first.events);
      assert.ok(atOnce >= 0.9, `${percent(atOnce)} complete from the first sample on`);
      if (program.phases.length > 0) {
        assert.equal(steady.foreign, 0, examples);
        const right = share(steady.right, steady.judged);
        assert.ok(right >= 0.99, `${percent(right)} right:\n${examples}`);
        const whole = share(steady.whole, steady.judged);
        assert.ok(whole >= 0.5, `${percent(whole)} with the whole chain:\n${examples}`);
      }
      if (program.named !== undefined) {
        const named = share(steady.named, steady.frames);
        assert.ok(named >= 0.99, `${percent(named)} named:\n${examples}`);
      }
    });

    if (program.lines !== true) continue;
    it(`${program.name}: lines and inlined functions as llvm-symbolizer has them`, () => {
      const seen = measured.byProgram.get(program) ?? [];
      const lines = scoreLines(seen[0]?.executable ?? '', seen);
      assert.ok(lines.addresses >= 10, `${lines.addresses} addresses`);
      const agreed = share(lines.agreed, lines.addresses);
      assert.ok(agreed >= 0.98, `${percent(agreed)}:\n${lines.examples.join('\n')}`);
    });
  }

  it('delivers or counts every sample that was taken', () => {
    const dropped = Object.entries(measured.stats).filter(([name]) => name.startsWith('drop_'));
    const sum = dropped.reduce((total, [, count]) => total + count, measured.delivered);
    assert.equal(sum, measured.stats['samples']);
  });
});
