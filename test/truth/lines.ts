// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from 'node:child_process';
import { basename } from 'node:path';
import type { Frame, Seen } from '../e2e/seen.ts';

/** How lines and inlined functions compare with those of llvm-symbolizer. */
export interface LineScore {
  addresses: number;
  /** Same number of functions, each with the same file name and line. */
  agreed: number;
  readonly examples: string[];
}

interface Theirs {
  readonly Symbol?: readonly { readonly FileName: string; readonly Line: number }[];
}

const textOf = (places: readonly (readonly [file: string, line: number])[]): string =>
  places.map(([file, line]) => `${basename(file)}:${line}`).join(' < ');

/** The functions at each sampled address of the executable, innermost first. */
function ours(seen: readonly Seen[]): Map<bigint, Frame[]> {
  const byAddress = new Map<bigint, Frame[]>();
  for (const { frames, executable } of seen) {
    const name = basename(executable);
    frames.forEach((frame, i) => {
      if (frame.inlined || frame.mapping !== name || frame.line === 0) return;
      if (byAddress.has(frame.address)) return;
      let end = i + 1;
      while (frames[end]?.inlined === true) end++;
      byAddress.set(frame.address, frames.slice(i, end).reverse());
    });
  }
  return byAddress;
}

/** Compares every address of the executable that has a line. */
export function scoreLines(executable: string, seen: readonly Seen[]): LineScore {
  const score: LineScore = { addresses: 0, agreed: 0, examples: [] };
  const byAddress = ours(seen);
  if (byAddress.size === 0) return score;
  const input = [...byAddress.keys()].map((address) => `0x${address.toString(16)}\n`).join('');
  const text = execFileSync('llvm-symbolizer', ['--output-style=JSON', '--inlines', `--obj=${executable}`], {
    input,
    encoding: 'utf8',
    maxBuffer: 64 << 20,
  });
  const lines = text.trim().split('\n');
  [...byAddress].forEach(([address, frames], i) => {
    const theirs = JSON.parse(lines[i] ?? '{}') as Theirs | readonly Theirs[];
    const symbols = (Array.isArray(theirs) ? theirs[0] : theirs)?.Symbol ?? [];
    const mine = textOf(frames.map((f) => [f.file, f.line]));
    const peer = textOf(symbols.map((s: { FileName: string; Line: number }) => [s.FileName, s.Line]));
    score.addresses++;
    if (mine === peer) score.agreed++;
    else if (score.examples.length < 5)
      score.examples.push(`0x${address.toString(16)}: ${mine}, not ${peer}`);
  });
  return score;
}
