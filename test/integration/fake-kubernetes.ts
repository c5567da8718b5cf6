// SPDX-License-Identifier: Apache-2.0
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';

export interface FakeObject {
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly uid: string;
    readonly resourceVersion?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly [key: string]: unknown;
  };
  readonly [key: string]: unknown;
}

interface Event {
  readonly version: number;
  readonly plural: string;
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly object: FakeObject;
}

interface Watcher {
  readonly plural: string;
  readonly matches: (object: FakeObject) => boolean;
  readonly partial: boolean;
  readonly response: ServerResponse;
}

export interface FakeKubernetesOptions {
  /** Only requests with this bearer token are let in. */
  readonly token?: string;
  /** Serve over TLS; with `ca` a client certificate of it is asked for. */
  readonly tls?: { readonly cert: string; readonly key: string; readonly ca?: string };
  /** Objects a page at most, whatever the client asks. */
  readonly pageSize?: number;
}

/**
 * An API server as far as list and watch go: resource versions, pagination, label and field selectors,
 * bookmarks, expiry (410), RBAC refusals, dropped connections.
 */
export class FakeKubernetes {
  readonly #options: FakeKubernetesOptions;
  readonly #server: Server;
  readonly #objects = new Map<string, Map<string, FakeObject>>();
  readonly #watchers = new Set<Watcher>();
  #history: Event[] = [];
  #version = 100;
  #oldest = 0;
  token: string | undefined;
  /** Plurals for which the answer is 403. */
  readonly forbidden = new Set<string>();
  /** Requests for which the answer is 403, beside these. */
  refuse: (url: URL) => boolean = () => false;
  /** Path and query of every request that was let in. */
  readonly requests: URL[] = [];
  readonly #onRequest: (() => void)[] = [];

  constructor(options: FakeKubernetesOptions = {}) {
    this.#options = options;
    this.token = options.token;
    const handle = (request: IncomingMessage, response: ServerResponse): void =>
      this.#handle(request, response);
    this.#server =
      options.tls === undefined
        ? createServer(handle)
        : createTlsServer(
            {
              ...options.tls,
              requestCert: options.tls.ca !== undefined,
              rejectUnauthorized: options.tls.ca !== undefined,
            },
            handle,
          );
  }

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    const { port } = this.#server.address() as AddressInfo;
    return `${this.#options.tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}`;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  /** Creates or replaces an object and tells the watchers. */
  apply(plural: string, object: FakeObject): void {
    const objects = this.#objects.get(plural) ?? new Map<string, FakeObject>();
    this.#objects.set(plural, objects);
    const key = `${object.metadata.namespace ?? ''}/${object.metadata.name}`;
    const stored = { ...object, metadata: { ...object.metadata, resourceVersion: String(++this.#version) } };
    this.#emit({
      version: this.#version,
      plural,
      type: objects.has(key) ? 'MODIFIED' : 'ADDED',
      object: stored,
    });
    objects.set(key, stored);
  }

  delete(plural: string, object: FakeObject): void {
    this.#objects.get(plural)?.delete(`${object.metadata.namespace ?? ''}/${object.metadata.name}`);
    const last = { ...object, metadata: { ...object.metadata, resourceVersion: String(++this.#version) } };
    this.#emit({ version: this.#version, plural, type: 'DELETED', object: last });
  }

  /** Like etcd's compaction: versions before now cannot be watched any more. */
  compact(): void {
    this.#version++;
    this.#oldest = this.#version;
    this.#history = [];
  }

  /** Like etcd brought back from an old copy: nothing is there, versions begin anew, every watch ends. */
  restore(): void {
    this.#version = 1;
    this.#history = [];
    this.#objects.clear();
    this.disconnect();
  }

  sendBookmarks(): void {
    for (const { response } of this.#watchers) {
      write(response, 'BOOKMARK', { metadata: { resourceVersion: String(this.#version) } });
    }
  }

  /** An ERROR event as the server sends it when a running watch expires. */
  expireWatches(): void {
    for (const { response } of this.#watchers) {
      write(response, 'ERROR', status(410, 'Expired', 'too old resource version'));
      response.end();
    }
  }

  /** Writes bytes that are no event to every watch. */
  garbleWatches(): void {
    for (const { response } of this.#watchers) response.write('{"type":"MODIFIED","object":\n');
  }

  /** Cuts every connection, as a load balancer does. */
  disconnect(): void {
    this.#server.closeAllConnections();
  }

  get watches(): number {
    return this.#watchers.size;
  }

  /** Resolves when `condition` holds; it is looked at after every request. */
  async when(condition: (fake: FakeKubernetes) => boolean): Promise<void> {
    while (!condition(this)) await new Promise<void>((resolve) => this.#onRequest.push(resolve));
  }

  #emit(event: Event): void {
    this.#history.push(event);
    for (const watcher of this.#watchers) send(watcher, event);
  }

  #handle(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url ?? '/', 'http://fake');
    const path = /^\/(?:api\/v1|apis\/[a-z0-9.]+\/v1)(?:\/namespaces\/([^/]+))?\/([a-z]+)$/.exec(
      url.pathname,
    );
    response.setHeader('content-type', 'application/json');
    if (this.token !== undefined && request.headers.authorization !== `Bearer ${this.token}`) {
      answer(response, 401, status(401, 'Unauthorized', 'Unauthorized'));
    } else if (path === null) {
      answer(response, 404, status(404, 'NotFound', 'the server could not find the requested resource'));
    } else {
      this.requests.push(url);
      const plural = path[2] ?? '';
      const partial = (request.headers.accept ?? '').includes('as=PartialObjectMetadata');
      const matches = matcher(path[1], url.searchParams);
      if (this.forbidden.has(plural) || this.refuse(url)) {
        const message = `${plural} is forbidden: User "system:serviceaccount:default:profiler" cannot list resource "${plural}" in API group "" at the cluster scope`;
        answer(response, 403, status(403, 'Forbidden', message));
      } else if (url.searchParams.get('watch') === 'true') {
        this.#watch(plural, matches, partial, Number(url.searchParams.get('resourceVersion')), response);
      } else this.#list(plural, matches, partial, url.searchParams, response);
    }
    for (const resume of this.#onRequest.splice(0)) resume();
  }

  #list(
    plural: string,
    matches: (object: FakeObject) => boolean,
    partial: boolean,
    query: URLSearchParams,
    response: ServerResponse,
  ): void {
    const all = [...(this.#objects.get(plural)?.values() ?? [])].filter(matches);
    const from = Number(query.get('continue') ?? 0);
    // Like the real server's cache, an answer for version 0 is whole.
    const whole = query.get('resourceVersion') === '0';
    const limit = whole
      ? all.length
      : Math.min(this.#options.pageSize ?? 500, Number(query.get('limit') ?? 500));
    const page = all.slice(from, from + limit);
    const next = from + limit < all.length ? String(from + limit) : '';
    answer(response, 200, {
      kind: partial ? 'PartialObjectMetadataList' : 'List',
      metadata: { resourceVersion: String(this.#version), ...(next !== '' && { continue: next }) },
      items: page.map((object) => (partial ? { metadata: object.metadata } : object)),
    });
  }

  #watch(
    plural: string,
    matches: (object: FakeObject) => boolean,
    partial: boolean,
    from: number,
    response: ServerResponse,
  ): void {
    if (from < this.#oldest) {
      answer(response, 410, status(410, 'Expired', `too old resource version: ${from} (${this.#oldest})`));
      return;
    }
    if (from > this.#version) {
      const message = `Too large resource version: ${from}, current: ${this.#version}`;
      answer(response, 504, status(504, 'Timeout', message));
      return;
    }
    const watcher: Watcher = { plural, matches, partial, response };
    this.#watchers.add(watcher);
    response.on('close', () => this.#watchers.delete(watcher));
    response.flushHeaders();
    for (const event of this.#history) if (event.version > from) send(watcher, event);
  }
}

function send({ plural, matches, partial, response }: Watcher, event: Event): void {
  if (event.plural !== plural || !matches(event.object)) return;
  write(response, event.type, partial ? { metadata: event.object.metadata } : event.object);
}

function write(response: ServerResponse, type: string, object: unknown): void {
  // In two pieces: a line is not a packet.
  const line = `${JSON.stringify({ type, object })}\n`;
  response.write(line.slice(0, line.length >> 1));
  response.write(line.slice(line.length >> 1));
}

function answer(response: ServerResponse, code: number, body: unknown): void {
  response.statusCode = code;
  response.end(JSON.stringify(body));
}

function status(code: number, reason: string, message: string): unknown {
  return { kind: 'Status', apiVersion: 'v1', status: 'Failure', message, reason, code };
}

function matcher(namespace: string | undefined, query: URLSearchParams): (object: FakeObject) => boolean {
  const fields = terms(query.get('fieldSelector'));
  const labels = terms(query.get('labelSelector'));
  return (object) =>
    (namespace === undefined || object.metadata.namespace === namespace) &&
    fields.every(({ key, value, equal }) => (fieldOf(object, key) === value) === equal) &&
    labels.every(({ key, value, equal }) => holds(object.metadata.labels?.[key], value, equal));
}

function holds(actual: string | undefined, value: string | undefined, equal: boolean): boolean {
  return value === undefined ? (actual !== undefined) === equal : (actual === value) === equal;
}

interface Term {
  readonly key: string;
  readonly value: string | undefined;
  readonly equal: boolean;
}

function terms(selector: string | null): Term[] {
  if (selector === null || selector === '') return [];
  return selector.split(',').map((text) => {
    const parts = /^(!?)([^!=]+)(?:(!?=)(.*))?$/.exec(text);
    const equal = parts?.[1] !== '!' && parts?.[3] !== '!=';
    return { key: parts?.[2] ?? '', value: parts?.[4], equal };
  });
}

function fieldOf(object: FakeObject, key: string): unknown {
  return key.split('.').reduce<unknown>((at, part) => (isRecord(at) ? at[part] : undefined), object);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
