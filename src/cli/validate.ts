// SPDX-License-Identifier: Apache-2.0
import { loadConfig } from '../config/load.ts';
import { checkService } from '../service/service.ts';
import { BUILD } from './build-info.ts';
import { gatesOf, type Invocation, sourcesOf } from './command.ts';

/** Checks a configuration as far as it can be without starting anything. */
export async function validate(invocation: Invocation): Promise<number> {
  const { io } = invocation;
  const gates = gatesOf(invocation);
  const config = await loadConfig(sourcesOf(invocation), {
    distribution: await io.loadDistribution(),
    gates,
  });
  checkService(config, { build: BUILD, gates });
  for (const warning of config.warnings) io.stderr(`warning: ${warning}\n`);
  const pipelines = [...config.service.pipelines.keys()];
  io.stdout(
    `configuration is valid: ${pipelines.length} pipeline${pipelines.length === 1 ? '' : 's'} (${pipelines.join(', ')})\n`,
  );
  return 0;
}
