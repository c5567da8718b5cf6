// SPDX-License-Identifier: Apache-2.0
import { didYouMean } from '../internal/suggest.ts';
import type { Place, Tree, TreePath } from './tree.ts';
import { placeOf } from './tree.ts';

/** One thing that is wrong with a configuration. `path` is "" for the configuration as a whole. */
export interface ConfigIssue extends Place {
  readonly path: string;
  readonly message: string;
}

/** A configuration that cannot be used; names everything that is wrong, one line each. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly issues: readonly ConfigIssue[];
  /** What is not wrong but may be the cause, one line each: a variable that is not set, for example. */
  readonly warnings: readonly string[];

  constructor(issues: readonly ConfigIssue[], warnings: readonly string[] = []) {
    super(issues.map(formatIssue).join('\n'));
    this.issues = issues;
    this.warnings = warnings;
  }
}

/** `file:line:column: path: message`, without place or path where there is none. */
export function formatIssue(issue: ConfigIssue): string {
  const place = issue.line > 0 ? `${issue.file}:${issue.line}:${issue.column}` : issue.file;
  return [place, issue.path, issue.message].filter((part) => part !== '').join(': ');
}

/** `receivers::otlp::readers[0]`: the Collector's spelling of a path. */
export function formatPath(path: TreePath): string {
  return path.reduce<string>((text, step) => {
    if (typeof step === 'number') return `${text}[${step}]`;
    return text === '' ? step : `${text}::${step}`;
  }, '');
}

/** As many fit a line that people read. */
const MAX_KEYS_SHOWN = 20;

function validKeys(known: readonly string[]): string {
  if (known.length === 0) return ' (there are none here)';
  const more = known.length > MAX_KEYS_SHOWN ? ` and ${known.length - MAX_KEYS_SHOWN} more` : '';
  return ` (valid keys: [${known.slice(0, MAX_KEYS_SHOWN).join(' ')}]${more})`;
}

/** Collects issues at paths of one tree. */
export class IssueList {
  readonly #issues: ConfigIssue[] = [];
  readonly #tree: Tree;

  constructor(tree: Tree) {
    this.#tree = tree;
  }

  /** Adds an issue about `path`, shown at `at` where another place says more. */
  add(path: TreePath, message: string, at: TreePath = path): void {
    this.#issues.push({ ...placeOf(this.#tree, at), path: formatPath(path), message });
  }

  /** Adds an issue about a key that the section at `path` does not know. */
  addUnknownKey(path: TreePath, key: string, known: readonly string[]): void {
    const message = `has invalid keys: ${key}${didYouMean(key, known) || validKeys(known)}`;
    this.#issues.push({ ...placeOf(this.#tree, [...path, key], 'key'), path: formatPath(path), message });
  }

  /** What was added, file by file and from top to bottom. */
  get sorted(): readonly ConfigIssue[] {
    const files = [...new Set(this.#issues.map((issue) => issue.file))];
    return this.#issues.toSorted(
      (a, b) => files.indexOf(a.file) - files.indexOf(b.file) || a.line - b.line || a.column - b.column,
    );
  }
}
