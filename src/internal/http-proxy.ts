// SPDX-License-Identifier: Apache-2.0
import { BlockList, isIP } from 'node:net';
import { isLoopback } from './endpoint.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The URL of the proxy that the environment asks for towards `url`: HTTPS_PROXY or HTTP_PROXY by its scheme,
 * unless NO_PROXY names the host or it is this one; the names may be in lower case. Throws Error where the
 * variable holds no URL. Source: Go's net/http ProxyFromEnvironment.
 */
export function httpProxyFor(url: URL, env: Environment): string | undefined {
  const name = url.protocol === 'https:' ? 'HTTPS_PROXY' : 'HTTP_PROXY';
  const text = env[name] || env[name.toLowerCase()] || '';
  if (text === '') return undefined;
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  if (isLoopback(host)) return undefined;
  if (isProxyExempt(host, env['NO_PROXY'] || env['no_proxy'] || '', portOf(url))) return undefined;
  const proxy = text.includes('://') ? text : `http://${text}`;
  if (!URL.canParse(proxy) || !/^https?:$/.test(new URL(proxy).protocol))
    throw new Error(`${name} must be the URL of a proxy: "http://host:port"`);
  return proxy;
}

/** The port that a URL names, or that of its scheme. */
export function portOf({ port, protocol }: URL): number {
  return port === '' ? (protocol === 'https:' ? 443 : 80) : Number(port);
}

/**
 * Whether a list holds the host: of names (with what is below them; behind a dot only what is below), addresses,
 * ranges in CIDR form, each but the last with a port if wished, or "*".
 */
export function isProxyExempt(host: string, list: string, port?: number): boolean {
  return list.split(',').some((pattern) => matches(pattern.trim().toLowerCase(), host.toLowerCase(), port));
}

function matches(pattern: string, host: string, port: number | undefined): boolean {
  if (pattern === '') return false;
  if (pattern === '*') return true;
  const [network = '', bits] = pattern.split('/');
  if (bits !== undefined && isIP(network) !== 0) return isWithin(host, network, Number(bits));
  const [, ipv6, other, digits] = /^(?:\[([^\]]*)\]|([^:]*))(?::(\d+))?$/.exec(pattern) ?? [];
  const name = ipv6 ?? other ?? pattern;
  if (digits !== undefined && Number(digits) !== port) return false;
  if (isIP(host) !== 0) return host === name;
  const below = name.replace(/^\*?\./, '');
  return (below === name && host === name) || host.endsWith(`.${below}`);
}

function isWithin(host: string, network: string, length: number): boolean {
  const family = isIP(network);
  const type = family === 4 ? 'ipv4' : 'ipv6';
  if (isIP(host) !== family || !(length >= 0 && length <= (family === 4 ? 32 : 128))) return false;
  const list = new BlockList();
  list.addSubnet(network, length, type);
  return list.check(host, type);
}
