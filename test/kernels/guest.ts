// SPDX-License-Identifier: Apache-2.0
// Runs inside the machine: the addon, the eBPF objects and the receiver's source as they are, on programs whose stacks
// are known. Prints one line a check.
import { release } from 'node:os';
import { formatCheck } from './check-result.ts';
import { checkKernel } from './checks.ts';

/** A check that hangs must not keep the others from being told. */
const CHECK_LIMIT_MS = 300_000;

function limit(milliseconds: number): Promise<never> {
  return new Promise((_, reject) => {
    setTimeout(() => {
      reject(new Error(`not done after ${milliseconds} ms`));
    }, milliseconds).unref();
  });
}

let failed = 0;

async function report(name: string, check: () => Promise<string> | string): Promise<void> {
  const started = performance.now();
  let ok = true;
  let detail: string;
  try {
    detail = await Promise.race([check(), limit(CHECK_LIMIT_MS)]);
  } catch (error) {
    ok = false;
    failed++;
    detail = error instanceof Error ? error.message : String(error);
  }
  console.log(formatCheck({ name, ok, detail, seconds: (performance.now() - started) / 1000 }));
}

console.log(`Linux ${release()}`);
await checkKernel(report);
process.exit(failed === 0 ? 0 : 1);
