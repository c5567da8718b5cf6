// SPDX-License-Identifier: Apache-2.0

/** Which pages of other origins may read answers. Source: upstream's confighttp, https://fetch.spec.whatwg.org/#http-cors-protocol */
export interface CorsRules {
  /** `https://app.example.com`, or with one `*` in it that stands for any text. None: no page may. */
  readonly allowed_origins: readonly string[];
  /** Request headers beyond the few that are always allowed; `*` allows all. */
  readonly allowed_headers: readonly string[];
  readonly exposed_headers: readonly string[];
  /** Seconds that a browser may keep the answer of a preflight; 0 leaves it to the browser. */
  readonly max_age: number;
}

/** Headers that upstream allows when `allowed_headers` is empty; with a list, Origin stays allowed. */
const DEFAULT_HEADERS = ['accept', 'content-type', 'x-requested-with'];

/** What a request says of its origin; names as node:http writes them. */
export interface CorsRequest {
  readonly method?: string | undefined;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

/** A browser's question whether a request would be allowed; its answer is 204 with `corsHeaders`. */
export function isPreflight({ method, headers }: CorsRequest): boolean {
  return method === 'OPTIONS' && headers['access-control-request-method'] !== undefined;
}

/**
 * The headers that let the page at the request's origin read the answer, for requests with `method`. An
 * origin that is not allowed gets none, and its browser refuses.
 */
export function corsHeaders(rules: CorsRules, request: CorsRequest, method: string): Record<string, string> {
  if (rules.allowed_origins.length === 0) return {};
  const preflight = isPreflight(request);
  const vary = preflight ? 'Origin, Access-Control-Request-Method, Access-Control-Request-Headers' : 'Origin';
  const origin = textOf(request, 'origin');
  if (origin === '' || !rules.allowed_origins.some((rule) => matches(rule, origin))) return { vary };
  const allowed = { vary, ...originHeaders(rules, origin) };
  if (!preflight) {
    const exposed = rules.exposed_headers.join(', ');
    return exposed === '' ? allowed : { ...allowed, 'access-control-expose-headers': exposed };
  }
  const asked = textOf(request, 'access-control-request-headers');
  if (textOf(request, 'access-control-request-method') !== method || !allHeaders(rules, asked))
    return { vary };
  return {
    ...allowed,
    'access-control-allow-methods': method,
    ...(asked !== '' && { 'access-control-allow-headers': asked }),
    ...(rules.max_age > 0 && { 'access-control-max-age': String(rules.max_age) }),
  };
}

/** A browser refuses credentials where the origin is `*`, so there they are not offered. */
function originHeaders({ allowed_origins }: CorsRules, origin: string): Record<string, string> {
  if (allowed_origins.includes('*')) return { 'access-control-allow-origin': '*' };
  return { 'access-control-allow-origin': origin, 'access-control-allow-credentials': 'true' };
}

function matches(rule: string, origin: string): boolean {
  const [pattern, text] = [rule.toLowerCase(), origin.toLowerCase()];
  const star = pattern.indexOf('*');
  if (star < 0) return pattern === text;
  const [before, after] = [pattern.slice(0, star), pattern.slice(star + 1)];
  return text.length >= before.length + after.length && text.startsWith(before) && text.endsWith(after);
}

function allHeaders({ allowed_headers }: CorsRules, asked: string): boolean {
  const allowed = allowed_headers.length === 0 ? DEFAULT_HEADERS : allowed_headers;
  if (allowed.includes('*')) return true;
  const names = new Set(['origin', ...allowed.map((name) => name.toLowerCase())]);
  return asked
    .split(',')
    .map((name) => name.trim().toLowerCase())
    .every((name) => name === '' || names.has(name));
}

function textOf({ headers }: CorsRequest, name: string): string {
  const value = headers[name];
  return typeof value === 'string' ? value : '';
}
