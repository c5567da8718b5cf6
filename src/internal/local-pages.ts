// SPDX-License-Identifier: Apache-2.0
import type { IncomingMessage, ServerResponse } from 'node:http';
import { isAllowedHost } from './host-check.ts';
import { HttpError } from './http-server.ts';

const MAX_URL_LENGTH = 2048;

const SECURITY_HEADERS = {
  'content-security-policy':
    "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'cache-control': 'no-store',
};

/**
 * The URL of a request for pages that are meant for people on this machine. Throws HttpError where it comes
 * under a host name that is none of ours (a rebound DNS name), is no GET or is too long; `owner` is the
 * component whose `allowed_hosts` would help.
 */
export function localRequest(
  request: IncomingMessage,
  response: ServerResponse,
  hosts: ReadonlySet<string>,
  owner: string,
): URL {
  for (const [name, value] of Object.entries(SECURITY_HEADERS)) response.setHeader(name, value);
  if (!isAllowedHost(request.headers.host, hosts)) {
    throw new HttpError(421, `not served under this host name; add it to "allowed_hosts" of ${owner}`);
  }
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.setHeader('allow', 'GET, HEAD');
    throw new HttpError(405, 'want GET');
  }
  const target = request.url ?? '/';
  if (target.length > MAX_URL_LENGTH) throw new HttpError(414, `URL is longer than ${MAX_URL_LENGTH}`);
  if (!target.startsWith('/') || !URL.canParse(target, 'http://localhost'))
    throw new HttpError(400, 'want a path');
  return new URL(target, 'http://localhost');
}

/** HTML that is written as it is. */
export class Html {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

type Part = string | number | Html | readonly Part[];

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** HTML from a template; whatever is put in is escaped, save what `html` made. */
export function html(strings: TemplateStringsArray, ...parts: readonly Part[]): Html {
  return new Html(strings.reduce((text, piece, i) => text + partText(parts[i - 1] ?? '') + piece));
}

function partText(part: Part): string {
  if (part instanceof Html) return part.text;
  if (typeof part === 'object') return part.map(partText).join('');
  return String(part).replace(/[&<>"']/g, (c) => ENTITIES[c] ?? c);
}
