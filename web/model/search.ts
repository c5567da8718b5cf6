// SPDX-License-Identifier: Apache-2.0
import type { FlameTree, FrameInfo } from './flame-tree.ts';

export type FrameMatcher = (frame: FrameInfo) => boolean;

/** What was typed, understood: nothing, a matcher, or why it cannot be used. */
export type SearchTerm =
  | { readonly kind: 'none' }
  | { readonly kind: 'match'; readonly matches: FrameMatcher }
  | { readonly kind: 'error'; readonly message: string };

/** Function names run to this length; a regular expression needs far less. */
const MAX_LENGTH = 1024;
const MAX_REGEX_LENGTH = 200;

/**
 * Plain text is found anywhere in name, file or binary, whatever its case; `=name` is exactly that
 * function; `/…/` is a regular expression.
 */
export function parseSearch(text: string): SearchTerm {
  const term = text.trim();
  if (term === '' || term === '/' || term === '//') return { kind: 'none' };
  if (term.length > MAX_LENGTH) return { kind: 'error', message: 'too long' };
  if (term.startsWith('=') && term.length > 1) {
    const name = term.slice(1);
    return { kind: 'match', matches: (frame) => frame.name === name };
  }
  if (!(term.startsWith('/') && term.endsWith('/') && term.length > 2)) {
    const needle = term.toLowerCase();
    return { kind: 'match', matches: anyText((value) => value.toLowerCase().includes(needle)) };
  }
  const source = term.slice(1, -1);
  if (source.length > MAX_REGEX_LENGTH) return { kind: 'error', message: 'too long' };
  if (mayExplode(source)) return { kind: 'error', message: 'repeats within a repeat could hang the page' };
  try {
    const regex = new RegExp(source, 'i');
    return { kind: 'match', matches: anyText((value) => regex.test(value)) };
  } catch {
    return { kind: 'error', message: 'not a regular expression' };
  }
}

function anyText(test: (value: string) => boolean): FrameMatcher {
  return (frame) =>
    test(frame.name) ||
    (frame.file !== '' && test(frame.file)) ||
    (frame.binary !== '' && test(frame.binary));
}

/**
 * Whether a backtracking engine may need exponential time: a repeated group that itself holds a repeat
 * or an alternative, or a back reference. Errs on the side of refusing.
 */
function mayExplode(source: string): boolean {
  if (/\\[1-9k]/.test(source)) return true;
  const groups: boolean[] = [];
  let last = false;
  for (let i = 0; i < source.length; i++) {
    const c = source[i] as string;
    if (c === '\\') {
      i++;
      last = false;
    } else if (c === '[') {
      while (i < source.length && source[i] !== ']') i += source[i] === '\\' ? 2 : 1;
      last = false;
    } else if (c === '(') {
      groups.push(false);
      last = false;
    } else if (c === ')') {
      last = groups.pop() ?? false;
      if (last && groups.length > 0) groups[groups.length - 1] = true;
    } else if (c === '*' || c === '+' || c === '{') {
      if (last) return true;
      if (groups.length > 0) groups[groups.length - 1] = true;
    } else {
      if (c === '|' && groups.length > 0) groups[groups.length - 1] = true;
      last = false;
    }
  }
  return false;
}

export interface SearchResult {
  /** 1 for each frame row that matches. */
  readonly frames: Uint8Array;
  /** Number of matching functions. */
  readonly count: number;
  /** Weight of all stacks with at least one match, each counted once. */
  readonly weight: number;
}

export function search(tree: FlameTree, matches: FrameMatcher): SearchResult {
  const frames = new Uint8Array(tree.frames.length);
  let count = 0;
  tree.frames.forEach((frame, row) => {
    if (row < 2 || !matches(frame)) return;
    frames[row] = 1;
    count++;
  });
  let weight = 0;
  for (let node = 1; node < tree.length; ) {
    if (frames[tree.frame[node] as number] !== 1) {
      node++;
      continue;
    }
    weight += tree.total[node] as number;
    node = tree.end[node] as number;
  }
  return { frames, count, weight };
}
