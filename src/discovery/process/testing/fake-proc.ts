// SPDX-License-Identifier: Apache-2.0
import { mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

interface FakeProcess {
  readonly started?: number;
  readonly flags?: number;
  readonly state?: string;
  readonly exe?: string;
  readonly cwd?: string;
  readonly cmdline?: string;
  readonly cgroup?: string;
  readonly uid?: number;
}

/** A folder like /proc, below another one. */
export class FakeProc {
  readonly root: string;

  constructor(root: string) {
    this.root = root;
  }

  async add(pid: number, process: FakeProcess): Promise<void> {
    const folder = join(this.root, 'proc', String(pid));
    await rm(folder, { recursive: true, force: true });
    await mkdir(folder, { recursive: true });
    const { started = pid, flags = 0, state = 'S', exe, cwd, cmdline, cgroup, uid } = process;
    const rest = `1 1 1 0 -1 ${flags} ${'0 '.repeat(12)}${started} 0 0`;
    await writeFile(join(folder, 'stat'), `${pid} (a ) (b) ${state} ${rest}\n`);
    if (exe !== undefined) await symlink(exe, join(folder, 'exe'));
    if (cwd !== undefined) await symlink(cwd, join(folder, 'cwd'));
    if (cmdline !== undefined) await writeFile(join(folder, 'cmdline'), cmdline);
    if (cgroup !== undefined) await writeFile(join(folder, 'cgroup'), cgroup);
    if (uid !== undefined)
      await writeFile(join(folder, 'status'), `Name:\tx\nUid:\t${uid}\t0\t0\t0\nGid:\t0\t0\t0\t0\n`);
  }

  async remove(pid: number): Promise<void> {
    await rm(join(this.root, 'proc', String(pid)), { recursive: true });
  }
}
