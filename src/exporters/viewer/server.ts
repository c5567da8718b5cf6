// SPDX-License-Identifier: Apache-2.0
import type { IncomingMessage, ServerResponse } from 'node:http';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { notices } from '../../component/notices.ts';
import { HttpError, type HttpHandler } from '../../internal/http-server.ts';
import type { Asset } from './assets.ts';
import { DOWNLOAD_FORMATS, download } from './download.ts';
import type { EventStreams } from './events.ts';
import { buildFlame } from './flame.ts';
import { isAllowedHost } from '../../internal/host-check.ts';
import { listServices, type Selection, timeline, weighNodes } from './query.ts';
import type { ProfileStore } from './store.ts';

/** What the HTTP side shows; it changes nothing of it. */
export interface ViewerState {
  readonly store: ProfileStore;
  readonly assets: ReadonlyMap<string, Asset>;
  /** Lower-case names under which the page may be opened. */
  readonly hosts: ReadonlySet<string>;
  readonly events: EventStreams;
  readonly counts: { readonly batches: number; readonly events: number; readonly lastArrivalMs: number };
  readonly now: () => number;
}

const MAX_URL_LENGTH = 4096;
const MAX_VALUE_LENGTH = 512;
const MAX_FLAME_NODES = 20_000;
const GZIP_FROM_BYTES = 16_384;
const deflated = promisify(gzip);

const SECURITY_HEADERS = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
};

type Route = (state: ViewerState, query: URLSearchParams) => unknown;

const ROUTES: Readonly<Record<string, Route>> = {
  '/api/services': (state, query) => {
    const { fromMs, untilMs } = selectionOf(query, state.now());
    return { fromMs, untilMs, services: listServices(state.store, fromMs, untilMs) };
  },
  '/api/flame': (state, query) => {
    const selection = selectionOf(query, state.now());
    const maxNodes = Math.min(MAX_FLAME_NODES, numberOf(query, 'max_nodes', MAX_FLAME_NODES));
    if (maxNodes < 1) throw new HttpError(400, 'query "max_nodes": want a number from 1');
    return buildFlame(state.store.tree, weighNodes(state.store, selection), { ...selection, maxNodes });
  },
  '/api/timeline': (state, query) => timeline(state.store, selectionOf(query, state.now()), state.now()),
  '/api/status': statusOf,
};

/** Answers GET requests for the page and its data. */
export function viewerHandler(state: ViewerState): HttpHandler {
  return async (request, response) => {
    for (const [name, value] of Object.entries(SECURITY_HEADERS)) response.setHeader(name, value);
    if (!isAllowedHost(request.headers.host, state.hosts)) {
      throw new HttpError(
        421,
        'the page is not served under this host name; add it to "allowed_hosts" of the viewer exporter',
      );
    }
    if (request.method !== 'GET') {
      response.setHeader('allow', 'GET');
      throw new HttpError(405, 'only GET is allowed');
    }
    const target = request.url ?? '/';
    if (target.length > MAX_URL_LENGTH) throw new HttpError(414, `URL is longer than ${MAX_URL_LENGTH}`);
    if (!URL.canParse(target, 'http://localhost')) throw new HttpError(400, 'want a path');
    const url = new URL(target, 'http://localhost');
    const asset = state.assets.get(url.pathname);
    if (asset !== undefined) return sendAsset(request, response, asset);
    for (const value of url.searchParams.values()) {
      if (value.length > MAX_VALUE_LENGTH)
        throw new HttpError(400, `a query value is longer than ${MAX_VALUE_LENGTH}`);
    }
    response.setHeader('cache-control', 'no-store');
    if (url.pathname === '/api/events') return state.events.open(response);
    if (url.pathname === '/api/download') return sendDownload(response, state, url.searchParams);
    const route = Object.hasOwn(ROUTES, url.pathname) ? ROUTES[url.pathname] : undefined;
    if (route === undefined) throw new HttpError(404, 'no such page');
    await sendData(request, response, JSON.stringify(route(state, url.searchParams)));
  };
}

function statusOf({ store, counts, now }: ViewerState): unknown {
  return {
    nowMs: now(),
    batches: counts.batches,
    events: counts.events,
    lastArrivalMs: counts.lastArrivalMs,
    held: {
      events: store.eventCount,
      slices: store.sliceCount,
      bytes: store.bytes,
      maxBytes: store.maxBytes,
      oldestMs: store.oldestMs ?? null,
    },
    retentionMs: store.retentionMs,
    sliceMs: store.sliceMs,
    evictedSlices: store.evictedSlices,
    evictedEvents: store.evictedEvents,
    notices: notices.list(),
  };
}

function numberOf(query: URLSearchParams, name: string, otherwise: number): number {
  const text = query.get(name);
  if (text === null || text === '') return otherwise;
  const value = Number(text);
  if (!Number.isFinite(value)) throw new HttpError(400, `query "${name}": want a number`);
  return value;
}

/** `from` and `until` are ms since the epoch; what is zero or negative counts from now. */
function selectionOf(query: URLSearchParams, nowMs: number): Selection {
  const time = (name: string, otherwise: number): number => {
    const value = numberOf(query, name, otherwise);
    return value <= 0 ? nowMs + value : value;
  };
  const text = (name: string): string | undefined => query.get(name) ?? undefined;
  // A slice that began just before now may hold samples a little ahead of it.
  const untilMs = time('until', nowMs + 2000);
  const fromMs = time('from', 1);
  if (fromMs >= untilMs) throw new HttpError(400, 'query "from" must be before "until"');
  return {
    service: text('service'),
    process: text('process'),
    type: text('type'),
    thread: text('thread'),
    fromMs,
    untilMs,
  };
}

function sendAsset(request: IncomingMessage, response: ServerResponse, asset: Asset): void {
  response.setHeader('etag', asset.etag);
  response.setHeader('cache-control', 'no-cache');
  if (request.headers['if-none-match'] === asset.etag) {
    response.writeHead(304).end();
    return;
  }
  sendBytes(request, response, asset.contentType, asset.body, asset.gzipped);
}

async function sendData(request: IncomingMessage, response: ServerResponse, text: string): Promise<void> {
  const body = Buffer.from(text);
  const small = body.length < GZIP_FROM_BYTES || !acceptsGzip(request);
  sendBytes(
    request,
    response,
    'application/json',
    body,
    small ? undefined : await deflated(body, { level: 1 }),
  );
}

function sendBytes(
  request: IncomingMessage,
  response: ServerResponse,
  type: string,
  plain: Buffer,
  gzipped: Buffer | undefined,
): void {
  const packed = gzipped !== undefined && acceptsGzip(request);
  const body = packed ? gzipped : plain;
  response
    .writeHead(200, {
      'content-type': type,
      'content-length': body.length,
      vary: 'accept-encoding',
      ...(packed ? { 'content-encoding': 'gzip' } : {}),
    })
    .end(body);
}

function acceptsGzip(request: IncomingMessage): boolean {
  return /(^|[\s,])gzip\b(?!\s*;\s*q=0(\.0*)?\s*(,|$))/.test(request.headers['accept-encoding'] ?? '');
}

function sendDownload(response: ServerResponse, state: ViewerState, query: URLSearchParams): void {
  const selection = selectionOf(query, state.now());
  const format = query.get('format') ?? '';
  const weights = weighNodes(state.store, selection);
  const fromMs = Math.max(selection.fromMs, state.now() - state.store.retentionMs);
  const untilMs = Math.min(selection.untilMs, state.now());
  const file = download(format, state.store.tree, weights, { fromMs, untilMs: Math.max(fromMs, untilMs) });
  if (file === undefined)
    throw new HttpError(400, `query "format": want one of ${DOWNLOAD_FORMATS.join(', ')}`);
  const type = weights.type.split(':')[0] ?? '';
  const stem = [selection.service ?? 'all', type, new Date(untilMs).toISOString().slice(0, 19)]
    .join('-')
    .replace(/[^\w.-]+/g, '_');
  response
    .writeHead(200, {
      'content-type': file.contentType,
      'content-length': Buffer.byteLength(file.body),
      'content-disposition': `attachment; filename="${stem}.${file.extension}"`,
    })
    .end(file.body);
}
