// SPDX-License-Identifier: Apache-2.0
import { isIP } from 'node:net';

/**
 * Whether a Host header is one under which the page may be opened. A site that rebinds its DNS name to
 * this machine sends its own name here; an address or a name the operator wrote cannot be rebound.
 */
export function isAllowedHost(header: string | undefined, names: ReadonlySet<string>): boolean {
  const match = /^(\[[0-9a-f:.]+\]|[^:[\]]+)(?::\d{1,5})?$/i.exec(header ?? '');
  if (match?.[1] === undefined) return false;
  const host = match[1]
    .replace(/^\[|\]$/g, '')
    .toLowerCase()
    .replace(/\.$/, '');
  return isIP(host) !== 0 || host === 'localhost' || names.has(host);
}
