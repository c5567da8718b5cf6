// SPDX-License-Identifier: Apache-2.0
import { type FSWatcher, watch } from 'node:fs';
import { open, readdir, stat } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { parse } from 'yaml';
import type { Counter } from '../../component/telemetry.ts';
import { withEither } from '../../internal/abort.ts';
import { sleep } from '../../internal/clock.ts';
import { deferred } from '../../internal/deferred.ts';
import { Re2 } from '../../internal/re2.ts';
import { endedGroups, targetGroups } from '../target-list.ts';
import type { SourceContext, TargetGroup, TargetSource } from '../target.ts';
import type { FileSdConfig } from './config.ts';

const MAX_FILE_BYTES = 32 * 1024 * 1024;
/** Who writes a file makes several changes; they are read together. */
const SETTLE_MS = 100;

/** Reads files of target groups, at once, when their directories change, and every refresh_interval. */
export function fileSource(config: FileSdConfig, context: SourceContext): TargetSource {
  return {
    async run(update, signal) {
      const files = new Files(config.files, context);
      const watched = new WatchedFolders(config.files);
      try {
        while (!signal.aborted) {
          // Watched before it is read: what changes in between is read once more.
          const { changed } = await watched.next();
          try {
            update(await files.read());
          } catch (error) {
            context.failed(error);
          }
          const again = new AbortController();
          void changed.then(() => again.abort());
          // Rejects where it is aborted, by a change or at the stop.
          await withEither([signal, again.signal], (either) =>
            sleep(context.clock, config.refresh_interval, either),
          ).catch(() => undefined);
          if (again.signal.aborted) await sleep(context.clock, SETTLE_MS, signal).catch(() => undefined);
        }
      } finally {
        watched.close();
      }
    },
  };
}

/** What is in the files that the patterns name. A file that cannot be read keeps what it had. */
class Files {
  readonly #patterns: readonly string[];
  readonly #context: SourceContext;
  readonly #errors: Counter;
  #groups = new Map<string, readonly TargetGroup[]>();

  constructor(patterns: readonly string[], context: SourceContext) {
    this.#patterns = patterns;
    this.#context = context;
    this.#errors = context.settings.meter.bare.counter(
      'prometheus_sd_file_read_errors_total',
      'Number of File-SD read errors',
    );
  }

  /** All groups, and empty ones for those that are gone. Rejects where no file can be read and none is gone. */
  async read(): Promise<TargetGroup[]> {
    const before = this.#groups;
    const now = new Map<string, readonly TargetGroup[]>();
    const failures: unknown[] = [];
    const paths = new Set((await Promise.all(this.#patterns.map(pathsOf))).flat());
    for (const path of paths) {
      try {
        now.set(path, await this.#readOne(path));
      } catch (error) {
        failures.push(error);
        this.#errors.add(1);
        now.set(path, before.get(path) ?? []);
        const why = error instanceof Error ? error.message : String(error);
        this.#context.leftOut('unreadable_file', path, why);
      }
    }
    this.#groups = now;
    const all = [...now.values()].flat();
    const ended = endedGroups([...before.values()].flat(), all);
    // Who does not hand over what has ended now never does.
    if (failures.length > 0 && failures.length === paths.size && ended.length === 0) throw failures[0];
    return [...all, ...ended];
  }

  async #readOne(path: string): Promise<TargetGroup[]> {
    const text = await readText(path);
    const isJson = /\.json$/i.test(path);
    const value: unknown = isJson ? JSON.parse(text) : parse(text, { logLevel: 'silent' });
    return targetGroups(value, {
      name: path,
      labels: { __meta_filepath: path },
      leftOut: this.#context.leftOut,
    });
  }
}

async function readText(path: string): Promise<string> {
  const file = await open(path);
  try {
    const { size } = await file.stat();
    if (size > MAX_FILE_BYTES) throw new Error(`"${path}" is larger than ${MAX_FILE_BYTES} bytes`);
    return await file.readFile('utf8');
  } finally {
    await file.close();
  }
}

/** Paths that a pattern names, in order; none where there is no such folder. */
async function pathsOf(pattern: string): Promise<string[]> {
  if (!pattern.includes('*')) return (await exists(pattern)) ? [pattern] : [];
  const folder = pattern.slice(0, pattern.length - basename(pattern).length);
  const regex = nameRegex(pattern);
  const names = await readdir(folder === '' ? '.' : folder).catch(() => []);
  return names
    .filter((name) => regex.test(name))
    .sort()
    .map((name) => folder + name);
}

/** Fits the names of files that a pattern means; linear, however many "*" it has. */
function nameRegex(pattern: string): Re2 {
  const parts = basename(pattern)
    .split('*')
    .map((part) => part.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&'));
  return new Re2(parts.join('.*'), { anchored: true });
}

const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    (found) => found.isFile(),
    () => false,
  );

/**
 * Folders of patterns, whose changes are waited for; those that are not there (yet) are looked for at each turn.
 * What is written into a file counts where a pattern means it, and a name that comes or goes in any case: files
 * of a ConfigMap change because a link beside them does.
 */
class WatchedFolders {
  /** What is meant in each folder. */
  readonly #folders = new Map<string, Re2[]>();
  readonly #watchers = new Map<string, { readonly inode: bigint; readonly watcher: FSWatcher }>();
  #changed = deferred();

  constructor(patterns: readonly string[]) {
    for (const pattern of patterns) {
      const folder = dirname(pattern);
      this.#folders.set(folder, [...(this.#folders.get(folder) ?? []), nameRegex(pattern)]);
    }
  }

  /** `changed` resolves at the first change from now on. */
  async next(): Promise<{ readonly changed: Promise<void> }> {
    this.#changed = deferred();
    await Promise.all([...this.#folders].map(([folder, names]) => this.#ensure(folder, names)));
    return { changed: this.#changed.promise };
  }

  close(): void {
    for (const { watcher } of this.#watchers.values()) watcher.close();
    this.#watchers.clear();
  }

  async #ensure(folder: string, names: readonly Re2[]): Promise<void> {
    const inode = await stat(folder, { bigint: true }).then(
      ({ ino }) => ino,
      () => undefined,
    );
    const current = this.#watchers.get(folder);
    if (current !== undefined && current.inode === inode) return;
    current?.watcher.close();
    this.#watchers.delete(folder);
    if (inode === undefined) return;
    try {
      const watcher = watch(folder, { persistent: false }, (event, name) => {
        if (event === 'rename' || name === null || names.some((regex) => regex.test(name)))
          this.#changed.resolve();
      });
      // Whoever cannot watch reads at the next refresh.
      watcher.on('error', () => this.#watchers.delete(folder));
      this.#watchers.set(folder, { inode, watcher });
    } catch {
      this.#watchers.delete(folder);
    }
  }
}
