// SPDX-License-Identifier: Apache-2.0
import { Agent, errors, request } from 'undici';
import { type Clock, systemClock } from '../../internal/clock.ts';
import type { ApiConnection } from './connection.ts';
import { asObject, type JsonObject, listAt, numberAt, objectAt, textAt } from './json.ts';
import { readLines } from './lines.ts';
import { RateLimiter } from './rate-limiter.ts';
import { HEADERS_TIMEOUT_MS, sendPatiently } from './patient-request.ts';

/** The API server answered with a status that is no success. */
export class KubernetesApiError extends Error {
  override readonly name = 'KubernetesApiError';
  readonly status: number;
  readonly reason: string;

  constructor(status: number, reason: string, message: string) {
    super(message);
    this.status = status;
    this.reason = reason;
  }
}

/** True for "410 Gone": the version asked for is too old, list again. */
export function isExpired(error: unknown): boolean {
  return error instanceof KubernetesApiError && (error.status === 410 || error.reason === 'Expired');
}

/**
 * True where the server does not know the version asked for yet, and may never: its etcd was restored from a copy.
 * Told by the message, as client-go does it.
 */
export function isTooNew(error: unknown): boolean {
  return error instanceof KubernetesApiError && error.message.includes('Too large resource version');
}

/** Objects of one kind, as narrow as they are needed. */
export interface ResourceQuery {
  /** As `/api/v1/pods` or `/apis/apps/v1/namespaces/shop/replicasets`. */
  readonly path: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  /** Ask for metadata alone; saves the server and us the rest. */
  readonly metadataOnly?: boolean;
}

export interface WatchEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK';
  readonly object: JsonObject;
}

export interface ApiClientOptions {
  readonly connection: ApiConnection;
  readonly userAgent: string;
  readonly perSecond: number;
  readonly burst: number;
  readonly clock?: Clock;
  /** A watch on which nothing came for so long is taken for dead. Servers send a bookmark a minute. */
  readonly idleTimeoutMs?: number;
}

interface Answer {
  readonly statusCode: number;
  readonly body: AsyncIterable<Buffer>;
}

/** Objects a page: a page is parsed in one go, so it bounds how long the event loop stands still. */
const PAGE_SIZE = 100;
const MAX_PAGE_BYTES = 64 * 1024 * 1024;
const MAX_EVENT_BYTES = 8 * 1024 * 1024;
const MAX_ERROR_BYTES = 64 * 1024;
const DEFAULT_IDLE_TIMEOUT_MS = 150_000;
/** The server ends a watch after so long; client-go picks between five and ten minutes. */
const WATCH_MIN_SECONDS = 300;

/** Lists and watches objects. Nothing is kept; `close` ends its connections. */
export class KubernetesApiClient {
  readonly #connection: ApiConnection;
  readonly #userAgent: string;
  readonly #agent: Agent;
  readonly #limiter: RateLimiter;
  readonly #idleTimeoutMs: number;
  readonly #clock: Clock;

  constructor(options: ApiClientOptions) {
    this.#connection = options.connection;
    this.#userAgent = options.userAgent;
    this.#agent = new Agent({ connect: { ...options.connection.tls } });
    this.#clock = options.clock ?? systemClock;
    this.#limiter = new RateLimiter(options.perSecond, options.burst, this.#clock);
    this.#idleTimeoutMs = options.idleTimeoutMs ?? DEFAULT_IDLE_TIMEOUT_MS;
  }

  /**
   * Gives every object to `each` and resolves to the version from which to watch. With `fromCache` the
   * server may answer from memory with what it last saw, whole; otherwise it pages consistently.
   */
  async list(
    query: ResourceQuery,
    fromCache: boolean,
    each: (object: JsonObject) => void,
    signal: AbortSignal,
  ): Promise<string> {
    const accept = query.metadataOnly === true ? 'PartialObjectMetadataList' : undefined;
    let version = '';
    let next = '';
    do {
      const parameters: Record<string, string> = { limit: String(PAGE_SIZE) };
      if (next !== '') parameters.continue = next;
      else if (fromCache) parameters.resourceVersion = '0';
      const body = await this.#get(query, parameters, accept, HEADERS_TIMEOUT_MS, signal);
      const page = asObject(JSON.parse(await readText(body, MAX_PAGE_BYTES)));
      for (const item of listAt(page, 'items')) each(item);
      const metadata = objectAt(page, 'metadata');
      version = textAt(metadata, 'resourceVersion');
      next = textAt(metadata, 'continue');
    } while (next !== '');
    return version;
  }

  /** Changes after `resourceVersion` until the server ends the watch or goes silent. Throws KubernetesApiError, also for an ERROR event. */
  async *watch(
    query: ResourceQuery,
    resourceVersion: string,
    signal: AbortSignal,
  ): AsyncGenerator<WatchEvent> {
    const parameters = {
      watch: 'true',
      allowWatchBookmarks: 'true',
      resourceVersion,
      timeoutSeconds: String(WATCH_MIN_SECONDS + Math.floor(Math.random() * WATCH_MIN_SECONDS)),
    };
    const accept = query.metadataOnly === true ? 'PartialObjectMetadata' : undefined;
    const body = await this.#get(query, parameters, accept, this.#idleTimeoutMs, signal);
    try {
      for await (const line of readLines(body, MAX_EVENT_BYTES)) {
        const event = readEvent(line);
        if (event !== undefined) yield event;
      }
    } catch (error) {
      if (!(error instanceof errors.BodyTimeoutError)) throw error;
    }
  }

  async close(): Promise<void> {
    await Promise.all([this.#agent.destroy(), this.#connection.http?.close()]);
  }

  async #get(
    query: ResourceQuery,
    parameters: Readonly<Record<string, string>>,
    partial: string | undefined,
    bodyTimeoutMs: number,
    signal: AbortSignal,
  ): Promise<AsyncIterable<Buffer>> {
    await this.#limiter.take(signal);
    const search = new URLSearchParams(parameters);
    if (query.labelSelector !== undefined) search.set('labelSelector', query.labelSelector);
    if (query.fieldSelector !== undefined) search.set('fieldSelector', query.fieldSelector);
    const url = `${this.#connection.baseUrl}${query.path}?${search.toString()}`;
    const headers = {
      accept:
        partial === undefined
          ? 'application/json'
          : `application/json;as=${partial};g=meta.k8s.io;v=v1,application/json`,
      'user-agent': this.#userAgent,
    };
    const { http } = this.#connection;
    const { statusCode, body } =
      http === undefined
        ? await this.#send(url, headers, bodyTimeoutMs, signal)
        : await sendPatiently(http, url, headers, bodyTimeoutMs, this.#clock, signal);
    if (statusCode === 200) return body;
    if (statusCode === 401) this.#connection.token?.invalidate();
    throw await refusal(statusCode, body, query.path);
  }

  async #send(
    url: string,
    headers: Readonly<Record<string, string>>,
    bodyTimeout: number,
    signal: AbortSignal,
  ): Promise<Answer> {
    const token = await this.#connection.token?.token();
    const { statusCode, body } = await request(url, {
      dispatcher: this.#agent,
      signal,
      headersTimeout: HEADERS_TIMEOUT_MS,
      bodyTimeout,
      headers: { ...headers, ...(token !== undefined && { authorization: `Bearer ${token}` }) },
    });
    return { statusCode, body: body as AsyncIterable<Buffer> };
  }
}

function readEvent(line: string): WatchEvent | undefined {
  const event = asObject(JSON.parse(line));
  const type = textAt(event, 'type');
  const object = objectAt(event, 'object');
  if (type === 'ERROR') throw errorOf(numberAt(object, 'code'), object, 'watch failed');
  const known = type === 'ADDED' || type === 'MODIFIED' || type === 'DELETED' || type === 'BOOKMARK';
  return known ? { type, object } : undefined;
}

async function refusal(
  status: number,
  body: AsyncIterable<Buffer>,
  path: string,
): Promise<KubernetesApiError> {
  let answer: JsonObject = {};
  try {
    answer = asObject(JSON.parse(await readText(body, MAX_ERROR_BYTES)));
  } catch {
    // Proxies in between answer in HTML; the status says enough.
    answer = {};
  }
  return errorOf(status, answer, `GET ${path} answered ${status}`);
}

function errorOf(status: number, answer: JsonObject, fallback: string): KubernetesApiError {
  return new KubernetesApiError(status, textAt(answer, 'reason'), textAt(answer, 'message') || fallback);
}

async function readText(body: AsyncIterable<Buffer>, maxBytes: number): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of body) {
    length += chunk.length;
    if (length > maxBytes) throw new Error(`answer is larger than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
