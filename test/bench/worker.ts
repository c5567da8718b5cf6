// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

/**
 * The child's side of a measurement (`contender.ts` is the other): one JSON request a line on stdin, one
 * answer a line on stdout. The Go peer speaks the same.
 */
export interface MeasureRequest {
  readonly op: string;
  readonly files: readonly string[];
  /** Calls are repeated until they took this much CPU time. */
  readonly seconds: number;
}

/** CPU time of the whole process, helper threads and garbage collector included, over all calls. */
export interface MeasureAnswer {
  readonly calls: number;
  readonly cpuSeconds: number;
  readonly error?: string;
}

/** Prepares outside of the measured time; what it returns is called many times within it. */
export type Operation = (inputs: readonly Uint8Array[]) => () => unknown;

/** What a call gave, kept so that no compiler drops the call. */
let kept: unknown;

/** Answers requests until stdin closes. */
export async function serveMeasurements(operations: Readonly<Record<string, Operation>>): Promise<void> {
  for await (const line of createInterface({ input: process.stdin })) {
    const asked = JSON.parse(line) as MeasureRequest;
    process.stdout.write(`${JSON.stringify(await answer(operations, asked))}\n`);
  }
}

async function answer(
  operations: Readonly<Record<string, Operation>>,
  asked: MeasureRequest,
): Promise<MeasureAnswer> {
  try {
    const prepare = operations[asked.op];
    if (prepare === undefined) throw new Error(`unknown operation "${asked.op}"`);
    return await measure(prepare(asked.files.map((file) => readFileSync(file))), asked.seconds);
  } catch (error) {
    return { calls: 0, cpuSeconds: 0, error: String(error) };
  }
}

async function measure(call: () => unknown, seconds: number): Promise<MeasureAnswer> {
  const before = process.cpuUsage();
  for (let calls = 1; ; calls++) {
    const got = call();
    kept = got instanceof Promise ? await got : got;
    if (kept === undefined) throw new Error('the call gave nothing');
    const { user, system } = process.cpuUsage(before);
    const cpuSeconds = (user + system) / 1e6;
    if (cpuSeconds >= seconds) return { calls, cpuSeconds };
  }
}
