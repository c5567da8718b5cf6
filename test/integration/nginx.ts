// SPDX-License-Identifier: Apache-2.0
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { debianBinary } from '../debian-binary.ts';

/** A server of nginx that runs until the test ends. */
export interface Nginx {
  readonly port: number;
  readonly folder: string;
  /** Lines of the access log: status, method and path of each request, and the user. */
  requests(): string[];
}

/**
 * Starts nginx with the body of a `server { … }` block; `@FOLDER@` in it is its own folder, into which `files`
 * are written first. `listen` holds what goes behind the port: `http2`, `ssl http2`.
 */
export async function startNginx(
  t: Pick<TestContext, 'after'>,
  listen: string,
  server: string,
  files: Readonly<Record<string, string>> = {},
): Promise<Nginx> {
  const folder = mkdtempSync(join(tmpdir(), 'nginx-'));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  const port = await freePort();
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  const config = `daemon off; master_process off; worker_processes 1; user root;
pid ${folder}/pid; error_log stderr notice;
events { worker_connections 256; }
http {
  log_format test '$status $request_method $uri $remote_user';
  access_log ${folder}/access.log test;
  client_max_body_size 32m;
  ${temporary.map((name) => `${name}_temp_path ${folder}/${name};`).join(' ')}
  server {
    listen 127.0.0.1:${port} ${listen};
    ${server.replaceAll('@FOLDER@', folder)}
  }
}
`;
  writeFileSync(join(folder, 'nginx.conf'), config);
  const args = ['-p', folder, '-c', join(folder, 'nginx.conf'), '-e', 'stderr'];
  const child = spawn(debianBinary('nginx', 'usr/sbin/nginx', '-v'), args, {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const exited = once(child, 'exit');
  let said = '';
  const isUp = new Promise<void>((resolve, reject) => {
    child.stderr.on('data', (chunk: Buffer) => {
      said += chunk.toString();
      if (said.includes('[notice]') && said.includes('OS:')) resolve();
    });
    child.once('exit', () => reject(new Error(`nginx ended: ${said}`)));
    child.once('error', reject);
  });
  t.after(async () => {
    child.kill('SIGQUIT');
    child.kill('SIGTERM');
    await exited;
    rmSync(folder, { recursive: true });
  });
  await isUp;
  return {
    port,
    folder,
    requests: () => readFileSync(join(folder, 'access.log'), 'utf8').trim().split('\n').filter(Boolean),
  };
}

/** nginx cannot be asked which port the system chose. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
