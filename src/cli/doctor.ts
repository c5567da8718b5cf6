// SPDX-License-Identifier: Apache-2.0
import { runDoctor } from '../native/doctor.ts';
import type { Invocation } from './command.ts';

/** Prints what the profiler finds on this host; exit code 1 where it could not run. */
export async function doctor({ io }: Invocation): Promise<number> {
  const report = await runDoctor();
  io.stdout(report.text.endsWith('\n') ? report.text : `${report.text}\n`);
  return report.ok ? 0 : 1;
}
