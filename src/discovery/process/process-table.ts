// SPDX-License-Identifier: Apache-2.0
import type { Clock } from '../../internal/clock.ts';
import type { LabelSet } from '../../relabel/relabel.ts';
import type { TargetGroup } from '../target.ts';
import type { ProcessSdConfig } from './config.ts';
import { containerIdOf } from './container-id.ts';
import { CommandLines } from './command-lines.ts';
import { listProcesses, readStat, readTarget, readTextNow, readUid } from './proc-files.ts';
import { UserNames } from './user-names.ts';

type Discovered = ProcessSdConfig['discover_config'];

/** A process may become another program: so long it is read again whenever somebody looks. */
const YOUNG_MS = 10_000;
/** A text longer than this is cut. */
const MAX_VALUE_LENGTH = 4096;
const NO_LABELS: LabelSet = new Map();

interface Known {
  readonly started: string;
  readonly seenMs: number;
  /** Undefined for what is no target: a kernel thread. */
  labels: LabelSet | undefined;
}

/** Where processes are read. */
export interface ProcessFolders {
  readonly proc: string;
  readonly passwd: string;
}

/** The processes of a host, looked at again and again; says what has changed since. */
export class ProcessTable {
  readonly #what: Discovered;
  readonly #folders: ProcessFolders;
  readonly #clock: Clock;
  readonly #known = new Map<number, Known>();
  readonly #users: UserNames;
  readonly #commandLines: CommandLines;
  readonly #hangs: (pid: number, why: string) => void;

  /** `hangs` is told of processes that do not let their arguments be read. */
  constructor(
    what: Discovered,
    clock: Clock,
    folders: ProcessFolders,
    hangs: (pid: number, why: string) => void,
  ) {
    this.#what = what;
    this.#clock = clock;
    this.#folders = folders;
    this.#hangs = hangs;
    this.#commandLines = new CommandLines(clock);
    this.#users = new UserNames(folders.passwd);
  }

  /**
   * Groups that are new, changed or gone. Without `everything` only processes are read that were not known, or
   * are young. Rejects where processes cannot be listed.
   */
  async look(everything: boolean, signal: AbortSignal): Promise<TargetGroup[]> {
    const { proc } = this.#folders;
    const pids = await listProcesses(proc);
    if (everything || this.#known.size === 0) await this.#users.refresh();
    const groups = this.#takeGone(new Set(pids));
    const nowMs = this.#clock.elapsed();
    for (const pid of pids) {
      if (signal.aborted) break;
      const known = this.#known.get(pid);
      const isSettled = known !== undefined && nowMs - known.seenMs > YOUNG_MS;
      if (isSettled && !everything) continue;
      const group = await this.#read(pid, known, nowMs);
      if (group !== undefined) groups.push(group);
    }
    return groups;
  }

  /** The same of these processes only, and of those that are gone. Never rejects. */
  async lookAt(
    began: Iterable<number>,
    ended: Iterable<number>,
    signal: AbortSignal,
  ): Promise<TargetGroup[]> {
    const groups: TargetGroup[] = [];
    for (const pid of ended) {
      const known = this.#known.get(pid);
      this.#known.delete(pid);
      if (known?.labels !== undefined) groups.push(groupOf(pid, undefined));
    }
    const nowMs = this.#clock.elapsed();
    for (const pid of began) {
      if (signal.aborted) break;
      const group = await this.#read(pid, this.#known.get(pid), nowMs);
      if (group !== undefined) groups.push(group);
    }
    return groups;
  }

  #takeGone(present: ReadonlySet<number>): TargetGroup[] {
    const groups: TargetGroup[] = [];
    for (const [pid, { labels }] of this.#known) {
      if (present.has(pid)) continue;
      this.#known.delete(pid);
      if (labels !== undefined) groups.push(groupOf(pid, undefined));
    }
    return groups;
  }

  /** Undefined where nothing is new. */
  async #read(pid: number, known: Known | undefined, nowMs: number): Promise<TargetGroup | undefined> {
    const stat = readStat(this.#folders.proc, pid);
    if (stat === undefined || stat.isZombie) {
      this.#known.delete(pid);
      return known?.labels === undefined ? undefined : groupOf(pid, undefined);
    }
    const isSame = known?.started === stat.started;
    const before = known?.labels;
    const labels = stat.isKernelThread ? undefined : await this.#labels(pid);
    this.#known.set(pid, { started: stat.started, seenMs: isSame ? known.seenMs : nowMs, labels });
    return areEqual(before, labels) ? undefined : groupOf(pid, labels);
  }

  /** Of a process that cannot be read whole, what can be read. */
  async #labels(pid: number): Promise<LabelSet> {
    const { proc } = this.#folders;
    const { exe, cwd, commandline, container_id, cgroup_path, uid, username } = this.#what;
    const labels = new Map([['__process_pid__', String(pid)]]);
    const set = (name: string, value: string | undefined): void => {
      if (value !== undefined && value !== '') labels.set(name, value.slice(0, MAX_VALUE_LENGTH));
    };
    if (exe) set('__meta_process_exe', readTarget(`${proc}/${pid}/exe`));
    if (cwd) set('__meta_process_cwd', readTarget(`${proc}/${pid}/cwd`));
    if (commandline) set('__meta_process_commandline', await this.#commandLine(pid));
    if (uid || username) {
      const id = readUid(proc, pid);
      if (uid) set('__meta_process_uid', id);
      if (username && id !== undefined) set('__meta_process_username', this.#users.get(id));
    }
    if (container_id || cgroup_path) {
      const cgroup = readTextNow(`${proc}/${pid}/cgroup`) ?? '';
      if (container_id) set('__container_id__', containerIdOf(cgroup));
      if (cgroup_path) set('__meta_process_cgroup_path', cgroup.trimEnd().replaceAll('\n', '|'));
    }
    return labels;
  }

  async #commandLine(pid: number): Promise<string | undefined> {
    try {
      return await this.#commandLines.of(this.#folders.proc, pid);
    } catch (error) {
      this.#hangs(pid, error instanceof Error ? error.message : String(error));
      return undefined;
    }
  }
}

function groupOf(pid: number, labels: LabelSet | undefined): TargetGroup {
  return { name: `process/${pid}`, labels: NO_LABELS, targets: labels === undefined ? [] : [labels] };
}

function areEqual(a: LabelSet | undefined, b: LabelSet | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return a.size === b.size && [...a].every(([name, value]) => b.get(name) === value);
}
