// SPDX-License-Identifier: Apache-2.0
import * as z from 'zod';
import { runCli } from './cli/cli.ts';
import { leave } from './cli/leave.ts';

// Each schema reads one configuration: compiling it costs more than it saves.
z.config({ jitless: true });

// A reader that has seen enough (`| head`) closes the pipe: that is no failure of ours.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
});

void runCli(process.argv.slice(2), {
  stdout: (text) => process.stdout.write(text),
  stderr: (text) => process.stderr.write(text),
  loadDistribution: async () => (await import('./distribution.ts')).distribution,
}).then(leave);
