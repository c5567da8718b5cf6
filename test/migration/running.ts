// SPDX-License-Identifier: Apache-2.0
// Configurations of Alloy, Agent and Phlare, converted, and what they find when they run.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createHttpsServer, type ServerOptions } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { gunzipSync } from 'node:zlib';
import type { Era } from '../../src/migration/components/table.ts';
import { convert } from '../../src/migration/convert.ts';

/** Go's profiles by the path that serves them. */
const SERVED: Readonly<Record<string, string>> = {
  '/debug/pprof/allocs': 'go-allocs',
  '/debug/pprof/goroutine': 'go-goroutine',
  '/debug/pprof/profile': 'go-cpu',
  '/debug/fgprof': 'go-cpu',
};

export interface Application {
  readonly address: string;
  /** Paths with their queries, as they were asked for. */
  readonly asked: Set<string>;
}

/** A profile of today: of a field that is there twice the last one counts, and field 9 is the time. */
function fresh(name: string): Buffer {
  const profile = gunzipSync(readFileSync(new URL(`../golden/pprof/${name}.pb.gz`, import.meta.url)));
  const time: number[] = [];
  for (let rest = BigInt(Date.now()) * 1_000_000n; rest > 0n; rest >>= 7n)
    time.push(Number(rest & 0x7fn) | (rest > 0x7fn ? 0x80 : 0));
  return Buffer.concat([profile, Buffer.from([(9 << 3) | 0, ...time])]);
}

/** An application of Go that answers at once, whatever the seconds; over TLS where there is a certificate. */
export async function application(
  t: TestContext,
  { served = SERVED, tls }: { served?: Readonly<Record<string, string>>; tls?: ServerOptions } = {},
): Promise<Application> {
  const asked = new Set<string>();
  const answer = (request: IncomingMessage, response: ServerResponse): void => {
    const url = request.url ?? '';
    asked.add(url);
    const file = served[url.replace(/\?.*/, '')];
    if (file === undefined) response.writeHead(404).end();
    else response.writeHead(200, { 'content-type': 'application/octet-stream' }).end(fresh(file));
  };
  const server = tls === undefined ? createServer(answer) : createHttpsServer(tls, answer);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { address: `127.0.0.1:${(server.address() as AddressInfo).port}`, asked };
}

/** A text with addresses of a test in the place of its own. */
function replaced(text: string, addresses: Readonly<Record<string, string>>): string {
  return Object.entries(addresses).reduce((whole, [from, to]) => {
    assert.ok(whole.includes(from), from);
    return whole.replaceAll(from, to);
  }, text);
}

/** A file of the documentation, with addresses of a test in the place of its own. */
export function printed(name: string, addresses: Readonly<Record<string, string>> = {}): string {
  return replaced(readFileSync(new URL(`seeds/${name}.river`, import.meta.url), 'utf8'), addresses);
}

/** What it is here; nothing of it may be lost. */
export function converted(text: string, era: Era): string {
  const { yaml, findings } = convert(text, {
    era,
    file: 'river',
    environment: {},
    readModule: () => undefined,
  });
  assert.deepEqual(
    findings.filter(({ kind }) => kind === 'lost'),
    [],
  );
  assert.ok(yaml !== undefined);
  return yaml;
}

export async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await delay(10);
}
