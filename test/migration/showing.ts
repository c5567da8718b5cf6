// SPDX-License-Identifier: Apache-2.0
/** A test, and what it shows the effect of. */
export interface Showing {
  readonly file: string;
  /** Title of the test, or its beginning. */
  readonly title: string;
  /** By the chapters of docs/migration.md; paths as there. */
  readonly options?: Readonly<Record<string, readonly string[]>>;
  /** Names of metrics and labels, and keys of the Collector. */
  readonly names?: readonly string[];
}

/** Paths of options in a block. */
export const below = (path: string, names: readonly string[]): string[] =>
  names.map((name) => `${path} > ${name}`);
