// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import type { TestContext } from 'node:test';
import { Agent, request } from 'undici';

/** Starts a daemon for a test; undefined where there can be none, which the test is told. */
export async function dockerdFor(t: TestContext): Promise<string | undefined> {
  const reason = whyNoDockerd();
  if (reason === undefined) return startDockerd(t);
  t.diagnostic(`not tested: ${reason}`);
  assert.match(reason, /^dockerd (needs root|is not installed)/);
  return undefined;
}

/** Why no daemon can be started here; undefined where one can. Where OTELCOL_TEST_DOCKER is set there must be one. */
function whyNoDockerd(): string | undefined {
  const reason =
    process.getuid?.() !== 0
      ? 'dockerd needs root'
      : findDockerd() === undefined
        ? 'dockerd is not installed (docker.io)'
        : undefined;
  assert.ok(reason === undefined || process.env.OTELCOL_TEST_DOCKER === undefined, reason);
  return reason;
}

function findDockerd(): string | undefined {
  return (process.env.PATH ?? '')
    .split(delimiter)
    .concat('/usr/sbin')
    .map((directory) => join(directory, 'dockerd'))
    .find((path) => {
      try {
        accessSync(path, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}

/** Starts a daemon that needs neither network nor overlay; resolves to its socket when it answers. */
async function startDockerd(t: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'dockerd-'));
  const socket = join(directory, 's');
  const daemon: ChildProcess = spawn(
    findDockerd() ?? 'dockerd',
    [
      `--data-root=${directory}/data`,
      `--exec-root=${directory}/exec`,
      `--pidfile=${directory}/pid`,
      `--host=unix://${socket}`,
      '--iptables=false',
      '--ip6tables=false',
      '--ip-forward=false',
      '--ip-masq=false',
      '--bridge=none',
      '--storage-driver=vfs',
      // The limits of the host may be lower than Docker's own.
      '--default-ulimit=nofile=1024:1024',
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  t.after(async () => {
    if (daemon.exitCode === null) {
      daemon.kill('SIGTERM');
      await once(daemon, 'exit');
    }
    // A daemon that ran a container in the network of the host leaves this behind.
    spawnSync('umount', [join(directory, 'exec/netns/default')]);
    await rm(directory, { recursive: true, force: true });
  });
  let log = '';
  await new Promise<void>((resolve, reject) => {
    daemon.stderr?.setEncoding('utf8').on('data', (text: string) => {
      log += text;
      if (log.includes('API listen on')) resolve();
    });
    daemon.once('exit', () => reject(new Error(`dockerd ended: ${log.slice(-2000)}`)));
  });
  return `unix://${socket}`;
}

/** Calls the daemon's API as the docker command does. */
export class Daemon {
  readonly #agent: Agent;
  /** Paths of what was made, oldest first. */
  readonly #made: string[] = [];

  constructor(host: string) {
    this.#agent = new Agent({ connect: { socketPath: host.slice('unix://'.length) } });
  }

  /** Asks for what there is. */
  async get<T>(path: string): Promise<T> {
    const answer = await request(`http://localhost${path}`, { dispatcher: this.#agent });
    assert.equal(answer.statusCode, 200, path);
    return (await answer.body.json()) as T;
  }

  async call(
    method: 'POST' | 'DELETE',
    path: string,
    body?: object | Buffer,
  ): Promise<{ Id?: string; ID?: string }> {
    const isTar = body instanceof Buffer;
    const answer = await request(`http://localhost${path}`, {
      method,
      dispatcher: this.#agent,
      ...(body !== undefined && {
        body: isTar ? body : JSON.stringify(body),
        headers: { 'content-type': isTar ? 'application/x-tar' : 'application/json' },
      }),
    });
    const text = await answer.body.text();
    assert.ok(answer.statusCode < 300, `${method} ${path}: ${answer.statusCode} ${text}`);
    return text.startsWith('{') && !isTar ? (JSON.parse(text) as { Id?: string; ID?: string }) : {};
  }

  /** Makes an image of one program that waits. */
  async importImage(t: TestContext, name: string): Promise<void> {
    const folder = await mkdtemp(join(tmpdir(), 'image-'));
    t.after(() => rm(folder, { recursive: true }));
    await writeFile(join(folder, 'wait.c'), '#include <unistd.h>\nint main(void) { for (;;) pause(); }\n');
    execFileSync('gcc', ['-static', '-O1', '-o', 'wait', 'wait.c'], { cwd: folder });
    execFileSync('tar', ['-cf', 'image.tar', 'wait'], { cwd: folder });
    const tar = await readFile(join(folder, 'image.tar'));
    await this.call('POST', `/images/create?fromSrc=-&repo=${name}&tag=1`, tar);
  }

  /** Runs a container. */
  async run(name: string, options: object): Promise<string> {
    const config = { Image: 'waiting:1', Cmd: ['/wait'], ...options };
    const { Id = '' } = await this.call('POST', `/containers/create?name=${name}`, config);
    this.#made.push(`/containers/${Id}?force=1`);
    await this.call('POST', `/containers/${Id}/start`);
    return Id;
  }

  async createNetwork(options: { readonly Name: string; readonly Driver: string; readonly Labels: object }) {
    const { Id = '' } = await this.call('POST', '/networks/create', options);
    this.#made.push(`/networks/${Id}`);
    return Id;
  }

  /** Takes away what was made. */
  async close(): Promise<void> {
    for (const path of this.#made.reverse()) await this.call('DELETE', path);
    await this.#agent.close();
  }
}
