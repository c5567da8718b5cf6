// SPDX-License-Identifier: Apache-2.0
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect, createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { packageRoot } from '../../src/internal/package-root.ts';
import { CACHE } from './payloads.ts';
import type { Peer } from './peers.ts';

/** The attribute that every relay inserts into every resource. */
export const ATTRIBUTE = { key: 'deployment.environment.name', value: 'bench' };
const PROGRAM = join(packageRoot(), 'build', 'otelcol-profiles.cjs');
const START_LIMIT_MS = 20_000;
/** Of /proc/PID/stat; Linux says 100 to user space on every architecture that Node runs on. */
const TICKS_A_SECOND = 100;

export interface RelayOptions {
  readonly name: string;
  /** Port of the sink. */
  readonly to: number;
  readonly gzip: boolean;
  /** False for a peer that edits nothing. */
  readonly edits?: boolean;
  /** `sending_queue` and `retry_on_failure` of ours, which has neither without it. */
  readonly delivery?: string;
  /** Below `file_storage` of ours. */
  readonly storage?: string;
  /** Modules that ours loads before the program. */
  readonly preload?: string;
  /** Configuration of ours, which listens on `port`, in place of the relay of OTLP. */
  readonly configuration?: (port: number) => string;
}

/** A relay that runs as a child process. */
export class RelayProcess {
  readonly name: string;
  readonly port: number;
  readonly child: ChildProcess;
  readonly #pid: number;

  constructor(name: string, port: number, child: ChildProcess) {
    if (child.pid === undefined) throw new Error(`${name} did not start`);
    this.name = name;
    this.port = port;
    this.child = child;
    this.#pid = child.pid;
  }

  /** User and system time since the start, of all threads. */
  cpuSeconds(): number {
    const stat = readFileSync(`/proc/${this.#pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(') ') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) / TICKS_A_SECOND;
  }

  peakRssMb(): number {
    const found = /^VmHWM:\s*(\d+)/m.exec(readFileSync(`/proc/${this.#pid}/status`, 'utf8'));
    return (Number(found?.[1] ?? Number.NaN) * 1024) / 1e6;
  }

  async stop(): Promise<void> {
    const gone = once(this.child, 'exit');
    this.child.stdin?.end();
    this.child.kill('SIGTERM');
    await gone;
  }
}

/** A peer that prints its port. */
export async function startPeer(peer: Peer, options: RelayOptions): Promise<RelayProcess | string> {
  if ('missing' in peer) return peer.missing;
  const { name, to, gzip, edits = true } = options;
  const args = [
    ...peer.args,
    ...['--to', `127.0.0.1:${to}`],
    ...(edits ? ['--key', ATTRIBUTE.key, '--value', ATTRIBUTE.value] : []),
    ...(gzip ? ['--gzip'] : []),
  ];
  const child = spawn(peer.command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  for await (const line of createInterface({ input: child.stdout })) {
    return new RelayProcess(name, Number(line), child);
  }
  throw new Error(`${name} ended before it listened`);
}

/** A word of warning where the built program is not what is in `src`; undefined where it is. */
export function staleBuild(): string | undefined {
  if (!existsSync(PROGRAM)) return 'the program is not built: run "npm run setup"';
  const built = statSync(PROGRAM).mtimeMs;
  const sources = readdirSync(join(packageRoot(), 'src'), { recursive: true, encoding: 'utf8' });
  const newer = sources.find(
    (name) =>
      name.endsWith('.ts') &&
      !name.endsWith('.test.ts') &&
      statSync(join(packageRoot(), 'src', name)).mtimeMs > built,
  );
  return newer === undefined
    ? undefined
    : `src/${newer} is newer than the built program: run "npm run setup"`;
}

/** The product as a user runs it. */
export async function startOurs(options: RelayOptions): Promise<RelayProcess> {
  const { name, preload } = options;
  const port = await freePort();
  const config = join(CACHE, `relay-${port}.yaml`);
  writeFileSync(config, options.configuration?.(port) ?? configOf(port, options));
  const before = preload === undefined ? [] : ['--import', preload];
  const child = spawn(
    process.execPath,
    [...before, join(packageRoot(), 'bin', 'otelcol-profiles'), '--config', config],
    {
      stdio: preload === undefined ? ['ignore', 'ignore', 'pipe'] : ['ignore', 'ignore', 'pipe', 'ipc'],
    },
  );
  let log = '';
  child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
    log = `${log}${chunk}`.slice(-20_000);
  });
  const end = performance.now() + START_LIMIT_MS;
  while (!(await listens(port))) {
    if (child.exitCode !== null || performance.now() > end) {
      child.kill('SIGKILL');
      throw new Error(`the program did not listen on ${port}:\n${log}`);
    }
    await delay(20);
  }
  rmSync(config);
  return new RelayProcess(name, port, child);
}

const NO_DELIVERY = 'sending_queue: { enabled: false }, retry_on_failure: { enabled: false }';

const configOf = (port: number, { to, gzip, delivery = NO_DELIVERY, storage }: RelayOptions): string => `
receivers:
  otlp:
    protocols:
      grpc: { endpoint: "127.0.0.1:${port}", max_recv_msg_size_mib: 64 }
processors:
  resource:
    attributes: [{ key: ${ATTRIBUTE.key}, value: ${ATTRIBUTE.value}, action: insert }]
exporters:
  otlp_grpc: {
    endpoint: "127.0.0.1:${to}",
    tls: { insecure: true },
    compression: ${gzip ? 'gzip' : 'none'},
    max_request_size_mib: 0,
    ${delivery}
  }
extensions: { file_storage: { ${storage ?? ''} } }
service:
  extensions: [${storage === undefined ? '' : 'file_storage'}]
  telemetry: { metrics: { level: none } }
  pipelines: { profiles: { receivers: [otlp], processors: [resource], exporters: [otlp_grpc] } }
`;

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.end());
  });
}
