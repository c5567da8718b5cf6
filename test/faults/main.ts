// SPDX-License-Identifier: Apache-2.0
// Faults under load, each with a count of what was sent, acknowledged, delivered, refused and lost. Needs the built
// program, and root for the disks. Usage: npm run test:faults [-- part of a name | -- --soak [MINUTES]]
import { setTimeout as delay } from 'node:timers/promises';
import { DRAIN_LIMIT_MS, type Fault, FAULTS } from './faults.ts';
import { Destination, duplicates, Line, missing, Source } from './line.ts';
import { soak } from './soak.ts';

const PADDING = 2000;

/** Runs one fault; gives back its row of the report, and whether it held. */
async function inject(fault: Fault): Promise<{ row: string; held: boolean }> {
  const destination = new Destination();
  await destination.up();
  const line = await Line.to(destination, fault.options);
  const source = new Source(line.url, { paddingBytes: PADDING, keepAlive: fault.keepAlive ?? true });
  fault.prepare?.(line, source);
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

if (process.argv[2] === '--soak') {
  const flat = await soak(Number(process.argv[3] ?? 60));
  process.exit(flat ? 0 : 1);
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
