// SPDX-License-Identifier: Apache-2.0

interface Notice {
  readonly key: string;
  readonly text: string;
}

/**
 * Standing conditions that a user who sees no data should read, for example why the profiler could not
 * start. Keyed by component id, so a component's newer word replaces its older one. Not a log: what is
 * over is deleted.
 */
class Notices {
  readonly #texts = new Map<string, string>();

  set(key: string, text: string): void {
    this.#texts.set(key, text);
  }

  delete(key: string): void {
    this.#texts.delete(key);
  }

  list(): readonly Notice[] {
    return [...this.#texts].map(([key, text]) => ({ key, text }));
  }
}

/** The notices of this process. */
export const notices = new Notices();
