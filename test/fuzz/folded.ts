// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { decodeFolded, encodeFolded } from '../../src/codecs/folded/folded.ts';
import { encodeSpeedscope } from '../../src/codecs/speedscope/encode.ts';
import type { Random } from '../../src/internal/testing/otlp-random.ts';
import type { ProfilesBatch } from '../../src/pdata/profiles-batch.ts';
import { pick } from './mutate.ts';
import { assertEncodes } from './otlp.ts';
import { type FuzzTarget, type Outcome, unlessRefused } from './target.ts';

const NAMES = ['main', 'work;', ';', ' ', 'größe', 'std::vector<int, std::allocator<int> >', '🔥', '', '\t'];
const ENDS = ['\n', '\n', '\n', '\r\n', '\n\n', ' \n'];

function foldedSeed(random: Random): Uint8Array {
  const line = (): string => {
    const stack = random.list(6, () => pick(random, NAMES)).join(';');
    return `${stack} ${random.below(8) === 0 ? random.u64() : random.below(1_000)}${pick(random, ENDS)}`;
  };
  return Buffer.from(random.list(12, line).join(''));
}

/**
 * Any bytes are a batch or DecodeError. The counts of a text are those that a plain reading of its lines
 * gives, and stay when it is written and read again, in this format and others.
 */
export const foldedTarget: FuzzTarget = {
  name: 'folded',
  seed: foldedSeed,
  run(input): Outcome {
    const batch = unlessRefused(() => decodeFolded(input));
    if (batch === undefined) return 'refused';
    const written = encodeFolded(batch);
    assert.equal(written, plainReading(Buffer.from(input).toString()));
    const again = decodeIfCountable(written);
    if (again !== undefined) assert.equal(encodeFolded(again), written, 'written and read again');
    assertEncodes(batch, 'from folded stacks');
    assertSpeedscope(batch);
    return 'accepted';
  },
};

/** A sum may be over 63 bits, which no line may have. */
function decodeIfCountable(text: string): ProfilesBatch | undefined {
  const tooLarge = text.split('\n').some((line) => BigInt(/\d*$/.exec(line)?.[0] ?? 0) >= 2n ** 63n);
  return tooLarge ? undefined : decodeFolded(Buffer.from(text));
}

/** The lines of a valid text summed by stack, sorted, in the simplest way. */
function plainReading(text: string): string {
  const sums = new Map<string, bigint>();
  for (const line of text.split('\n').map((raw) => raw.trimEnd())) {
    if (line === '') continue;
    const [, stack = '', count = ''] = /^(?:(.*) )?(\d+)$/s.exec(line) ?? [];
    const names = stack === '' ? [] : stack.split(';').map((name) => name || '(anonymous)');
    const key = names.join(';').replaceAll('\r', ':');
    sums.set(key, (sums.get(key) ?? 0n) + BigInt(count));
  }
  return [...sums]
    .map(([stack, sum]) => `${stack} ${sum}`)
    .sort()
    .map((line) => `${line}\n`)
    .join('');
}

interface Speedscope {
  readonly profiles: readonly {
    readonly samples: readonly number[][];
    readonly weights: readonly number[];
  }[];
  readonly shared: { readonly frames: readonly unknown[] };
}

/** That the file of speedscope is JSON, with as many weights as samples and frames that are there. */
export function assertSpeedscope(batch: ProfilesBatch): void {
  const file = JSON.parse(encodeSpeedscope(batch)) as Speedscope;
  assert.equal(file.profiles.length, batch.profileCount);
  for (const { samples, weights } of file.profiles) {
    assert.equal(samples.length, weights.length);
    for (const frame of samples.flat()) assert.ok(frame < file.shared.frames.length);
  }
}
