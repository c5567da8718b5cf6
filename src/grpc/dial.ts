// SPDX-License-Identifier: Apache-2.0
import { lookup } from 'node:dns/promises';
import { connect as connectHttp2, type ClientHttp2Session } from 'node:http2';
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls, type ConnectionOptions } from 'node:tls';
import { withEither } from '../internal/abort.ts';
import { formatHostPort, type HostPort } from '../internal/endpoint.ts';
import { openTunnel, type Proxy } from './proxy.ts';

/** What a client is to reach. */
export type Target =
  | { readonly kind: 'tcp'; readonly at: HostPort; readonly proxy?: Proxy | undefined }
  | { readonly kind: 'unix'; readonly path: string };

/** One way to reach it. */
export type Address =
  | { readonly kind: 'tcp'; readonly at: HostPort }
  | { readonly kind: 'unix'; readonly path: string }
  | { readonly kind: 'tunnel'; readonly at: HostPort; readonly proxy: Proxy };

export interface DialOptions {
  /** Speaks TLS with what these are for the next connection; undefined is plaintext. */
  readonly tls: (() => Promise<ConnectionOptions>) | undefined;
  /** The name that the server must prove, in place of the target's. */
  readonly serverName: string | undefined;
  /** Value of `:authority`. */
  readonly authority: string;
}

const CONNECT_TIMEOUT_MS = 20_000;
/** Requests that wait to be sent count here: more than any queue in front of the client holds. */
const MAX_SESSION_MEMORY_MB = 4_096;

/** All addresses of a target; rejects where its name is unknown. */
export async function resolve(target: Target): Promise<Address[]> {
  if (target.kind === 'unix') return [target];
  const { at, proxy } = target;
  // Through a proxy the name is the proxy's to resolve.
  if (proxy !== undefined) return [{ kind: 'tunnel', at, proxy }];
  if (isIP(at.host) !== 0) return [{ kind: 'tcp', at }];
  const found = await lookup(at.host, { all: true });
  return found.map(({ address }) => ({ kind: 'tcp', at: { host: address, port: at.port } }));
}

/** Says the same of two addresses where they are the same. */
export function addressKey(address: Address): string {
  return address.kind === 'unix' ? `unix:${address.path}` : formatHostPort(address.at);
}

/** An HTTP/2 session and what it runs on. */
export interface Dialled {
  readonly session: ClientHttp2Session;
  readonly socket: Socket;
}

/** A session whose server has introduced itself; rejects with Error. */
export function dial(
  address: Address,
  host: string,
  options: DialOptions,
  signal: AbortSignal,
): Promise<Dialled> {
  return withEither([signal, AbortSignal.timeout(CONNECT_TIMEOUT_MS)], (limit) =>
    dialWithin(limit, address, host, options),
  );
}

async function dialWithin(
  limit: AbortSignal,
  address: Address,
  host: string,
  options: DialOptions,
): Promise<Dialled> {
  const raw = await openSocket(address, limit);
  raw.setNoDelay(true);
  const socket = options.tls === undefined ? raw : await secure(raw, host, options, limit);
  const scheme = options.tls === undefined ? 'http' : 'https';
  const session = connectHttp2(`${scheme}://localhost`, {
    createConnection: () => socket,
    maxSessionMemory: MAX_SESSION_MEMORY_MB,
    settings: { enablePush: false },
  });
  let forget = (): void => undefined;
  try {
    await new Promise<void>((resolve, reject) => {
      const message = 'the server does not answer as an HTTP/2 server';
      forget = onAbort(limit, () => reject(timedOut(limit, message)));
      session.once('error', reject);
      session.once('close', () => reject(new Error('the server closed the connection')));
      session.once('remoteSettings', () => resolve());
    });
    return { session, socket };
  } catch (error) {
    session.on('error', () => undefined);
    session.destroy();
    socket.destroy();
    throw error;
  } finally {
    forget();
  }
}

async function openSocket(address: Address, limit: AbortSignal): Promise<Socket> {
  if (address.kind === 'tunnel') return openTunnel(address.proxy, address.at, limit);
  const socket = connectTcp(address.kind === 'unix' ? { path: address.path } : { ...address.at });
  await established(socket, 'connect', limit);
  return socket;
}

async function secure(
  raw: Socket,
  host: string,
  { tls, serverName }: DialOptions,
  limit: AbortSignal,
): Promise<Socket> {
  const name = serverName ?? host;
  const socket = connectTls({
    ...(await tls?.()),
    socket: raw,
    host: name,
    ...(isIP(name) === 0 && { servername: name }),
    ALPNProtocols: ['h2'],
  });
  await established(socket, 'secureConnect', limit);
  if (socket.alpnProtocol === 'h2') return socket;
  socket.destroy();
  throw new Error('the server does not offer HTTP/2 (ALPN "h2")');
}

/** Waits for the event; destroys the socket and rejects where it fails or takes too long. */
function established(socket: Socket, event: string, limit: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (error: Error): void => {
      socket.destroy();
      reject(error);
    };
    const closed = (): void => fail(new Error('the server closed the connection'));
    const forget = onAbort(limit, () => fail(timedOut(limit, 'connecting took too long')));
    socket.once('error', fail);
    socket.once('close', closed);
    socket.once(event, () => {
      forget();
      socket.off('error', fail);
      socket.off('close', closed);
      resolve();
    });
  });
}

function timedOut({ reason }: AbortSignal, message: string): Error {
  return reason instanceof Error && reason.name !== 'TimeoutError' ? reason : new Error(message);
}

function onAbort(signal: AbortSignal, run: () => void): () => void {
  if (signal.aborted) run();
  signal.addEventListener('abort', run, { once: true });
  return () => signal.removeEventListener('abort', run);
}
