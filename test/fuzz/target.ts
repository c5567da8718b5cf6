// SPDX-License-Identifier: Apache-2.0
import { createHash } from 'node:crypto';
import { readSync, writeSync } from 'node:fs';
import { Random } from '../../src/internal/testing/otlp-random.ts';
import { DecodeError } from '../../src/internal/wire-reader.ts';
import { mutate, pick } from './mutate.ts';

/** What became of an input that is no finding. */
export type Outcome = 'accepted' | 'refused';

/** One thing to fuzz, with its oracle. All it does follows from the bytes it is given. */
export interface FuzzTarget {
  readonly name: string;
  /** A valid input, more or less. */
  readonly seed: (random: Random) => Uint8Array;
  /** Inputs of real producers, where they are there; the long runner uses them too. */
  readonly captures?: () => readonly Uint8Array[];
  /** Throws (rejects) where anything is not as it must be: that is a finding. */
  readonly run: (input: Uint8Array) => Outcome | Promise<Outcome>;
}

/** Input number `seed` of a target: a valid one as it is or, twice as often, damaged. */
export function inputOf(target: FuzzTarget, seed: number, captures: readonly Uint8Array[] = []): Uint8Array {
  const random = new Random(seed);
  const one = (): Uint8Array =>
    captures.length > 0 && random.below(100) === 0 ? pick(random, captures) : target.seed(random);
  const base = one();
  return random.below(3) === 0 ? base : mutate(random, base, one());
}

/** Pseudo-random choices that follow from an input. */
export function choicesOf(input: Uint8Array): Random {
  return new Random(createHash('sha1').update(input).digest().readInt32LE(0));
}

/** What `decode` gives, or undefined where it refuses with DecodeError; any other error is a finding. */
export function unlessRefused<T>(decode: () => T): T | undefined {
  try {
    return decode();
  } catch (error) {
    if (error instanceof DecodeError) return undefined;
    throw error;
  }
}

/** The outcome of an input, or the error that makes it a finding. */
export async function findingOf(
  target: FuzzTarget,
  input: Uint8Array,
): Promise<{ readonly outcome?: Outcome; readonly error?: string }> {
  try {
    return { outcome: await target.run(input) };
  } catch (error) {
    return { error: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  }
}

/** How far a worker is; `seed` is that of the input that runs. */
export interface Progress {
  executions: number;
  accepted: number;
  seed: number;
}

/** Puts the progress where another process can read it, whatever happens to this one next. */
export function writeProgress(file: number, { executions, accepted, seed }: Progress): void {
  writeSync(file, Float64Array.of(executions, accepted, seed), 0, 24, 0);
}

/** The progress as it was written last; zeros before that. */
export function readProgress(file: number): Progress {
  const numbers = new Float64Array(3);
  readSync(file, numbers, 0, 24, 0);
  const [executions = 0, accepted = 0, seed = 0] = numbers;
  return { executions, accepted, seed };
}
