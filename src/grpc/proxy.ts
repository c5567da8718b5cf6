// SPDX-License-Identifier: Apache-2.0
import { request } from 'node:http';
import type { Socket } from 'node:net';
import { formatHostPort, type HostPort } from '../internal/endpoint.ts';
import { isProxyExempt } from '../internal/http-proxy.ts';
import { basicCredentials } from '../internal/url-credentials.ts';

/** An HTTP proxy that makes tunnels. */
export interface Proxy {
  readonly at: HostPort;
  /** Value of Proxy-Authorization. */
  readonly authorization: string | undefined;
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The proxy that the environment asks for towards `target`: `grpc_proxy`, `https_proxy` or `http_proxy`,
 * unless `no_grpc_proxy` or `no_proxy` names the host (a name, the end of a name, an address, a range in
 * CIDR form, or "*"). Throws Error where the variable holds no URL of an HTTP proxy.
 */
export function proxyFor(target: HostPort, env: Environment): Proxy | undefined {
  const names = ['grpc_proxy', 'https_proxy', 'HTTPS_PROXY', 'http_proxy'];
  const name = names.find((candidate) => (env[candidate] ?? '') !== '');
  if (name === undefined) return undefined;
  const exempt = env['no_grpc_proxy'] || env['no_proxy'] || env['NO_PROXY'] || '';
  if (isProxyExempt(target.host, exempt, target.port)) return undefined;
  const text = env[name] ?? '';
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol !== 'http:') throw new Error(`${name} must be the URL of a proxy: "http://host:port"`);
  return {
    at: { host: url.hostname.replace(/^\[(.*)\]$/, '$1'), port: Number(url.port || 80) },
    authorization: basicCredentials(url),
  };
}

/** A connection to `target` through the proxy; rejects with the proxy's answer in the message. */
export function openTunnel(proxy: Proxy, target: HostPort, signal: AbortSignal): Promise<Socket> {
  const path = formatHostPort(target);
  const where = formatHostPort(proxy.at);
  return new Promise((resolve, reject) => {
    const asked = request({
      ...proxy.at,
      method: 'CONNECT',
      path,
      signal,
      agent: false,
      headers: {
        host: path,
        ...(proxy.authorization !== undefined && { 'proxy-authorization': proxy.authorization }),
      },
    });
    asked.once('error', (cause) => reject(new Error(`proxy ${where}: ${cause.message}`, { cause })));
    asked.once('response', ({ statusCode }) => {
      asked.destroy();
      reject(new Error(`proxy ${where} answers ${statusCode} to a request for a tunnel to ${path}`));
    });
    asked.once('connect', ({ statusCode }, stream, head) => {
      const socket = stream;
      if (statusCode !== 200) {
        socket.destroy();
        reject(new Error(`proxy ${where} answers ${statusCode} to a request for a tunnel to ${path}`));
        return;
      }
      // The server speaks first in HTTP/2: what came along with the proxy's answer is its.
      if (head.length > 0) socket.unshift(head);
      resolve(socket);
    });
    asked.end();
  });
}
