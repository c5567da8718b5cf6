// SPDX-License-Identifier: Apache-2.0
// `npm start`: set up what is missing, then run the collector in this process. Arguments go to it.
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { printFailure, setUp } from './setup.mjs';
import { root, StepError } from './steps.mjs';

try {
  const failed = await setUp();
  if (failed !== undefined) {
    printFailure(failed);
    process.stderr.write('\nstarting without it\n\n');
  }
  await import(pathToFileURL(join(root, 'bin', 'otelcol-profiles')).href);
} catch (error) {
  if (!(error instanceof StepError)) throw error;
  printFailure(error);
  process.exitCode = 1;
}
