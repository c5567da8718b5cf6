// SPDX-License-Identifier: Apache-2.0
// Runs one target over consecutive seeds in a process of its own, so that `main.ts` can tell a hang or a
// crash of the addon. Usage: worker.ts TARGET SEED SECONDS, with standard output for the findings, one line
// of JSON each, and a file open as descriptor 3 for the progress.
import { writeSync } from 'node:fs';
import { shrink } from './mutate.ts';
import { findingOf, inputOf, type Progress, writeProgress } from './target.ts';
import { openTarget } from './targets.ts';

/** Kinds of findings after which a target stops: more of the same help nobody. */
const MAX_KINDS = 20;

/** Enough of an error to tell it from others: its first words, without what differs from input to input. */
const kindOf = (error: string | undefined): string | undefined =>
  error?.split('\n')[0]?.replace(/\d+/g, '#').slice(0, 60);

/** What standard output says: a finding, or why the target cannot run here. */
function report(line: object): void {
  writeSync(1, `${JSON.stringify(line)}\n`);
}

async function work(name: string, first: number, seconds: number): Promise<void> {
  const { target, missing, close } = openTarget(name);
  if (target === undefined) return report({ missing });
  const captures = target.captures?.() ?? [];
  const kinds = new Set<string | undefined>();
  const end = performance.now() + seconds * 1_000;
  const progress: Progress = { executions: 0, accepted: 0, seed: first };
  for (; performance.now() < end && kinds.size < MAX_KINDS; progress.seed++) {
    const input = inputOf(target, progress.seed, captures);
    progress.executions++;
    writeProgress(3, progress);
    const { outcome, error } = await findingOf(target, input);
    if (outcome === 'accepted') progress.accepted++;
    const kind = kindOf(error);
    if (kind === undefined || kinds.has(kind)) continue;
    kinds.add(kind);
    const small = await shrink(input, async (smaller) => {
      progress.executions++;
      writeProgress(3, progress);
      return kindOf((await findingOf(target, smaller)).error) === kind;
    });
    report({ seed: progress.seed, input: Buffer.from(small).toString('base64'), error });
  }
  writeProgress(3, progress);
  close();
}

const [name = '', seed = '0', seconds = '60'] = process.argv.slice(2);
await work(name, Number(seed), Number(seconds));
