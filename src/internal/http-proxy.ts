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
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  if (text === '' || isLoopback(host)) return undefined;
  if (isProxyExempt(host, env['NO_PROXY'] || env['no_proxy'] || '')) return undefined;
  const proxy = text.includes('://') ? text : `http://${text}`;
  if (!URL.canParse(proxy) || !/^https?:$/.test(new URL(proxy).protocol))
    throw new Error(`${name} must be the URL of a proxy: "http://host:port"`);
  return proxy;
}

/** Whether a list of names, ends of names, addresses and ranges in CIDR form, or "*", holds the host. */
export function isProxyExempt(host: string, list: string): boolean {
  return list.split(',').some((pattern) => matches(pattern.trim(), host));
}

function matches(pattern: string, host: string): boolean {
  if (pattern === '') return false;
  if (pattern === '*') return true;
  const [network = '', bits] = pattern.split('/');
  const family = isIP(network);
  if (bits !== undefined && family !== 0) {
    const type = family === 4 ? 'ipv4' : 'ipv6';
    const length = Number(bits);
    if (isIP(host) !== family || !(length >= 0 && length <= (family === 4 ? 32 : 128))) return false;
    const list = new BlockList();
    list.addSubnet(network, length, type);
    return list.check(host, type);
  }
  const name = pattern.replace(/^\*?\./, '').toLowerCase();
  const asked = host.toLowerCase();
  return asked === name || (isIP(host) === 0 && asked.endsWith(`.${name}`));
}
