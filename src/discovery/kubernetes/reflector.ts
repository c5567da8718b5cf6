// SPDX-License-Identifier: Apache-2.0
import { type Clock, sleep } from '../../internal/clock.ts';
import { deferred } from '../../internal/deferred.ts';
import { isExpired, isTooNew, type KubernetesApiClient, type ResourceQuery } from './api-client.ts';
import { type JsonObject, objectAt, textAt } from './json.ts';

/** Takes what a reflector sees. */
export interface ReflectorSink<T> {
  /** Everything there is: what is not among it is gone. */
  replace(objects: readonly T[]): void;
  upsert(object: T): void;
  remove(object: T): void;
}

export interface ReflectorOptions<T> {
  readonly client: KubernetesApiClient;
  readonly query: ResourceQuery;
  /** Keeps what is needed of an object. */
  readonly read: (object: JsonObject) => T;
  readonly sink: ReflectorSink<T>;
  /** Told of every failure; the reflector goes on. */
  readonly onError: (error: unknown) => void;
  readonly onRecovery: () => void;
  readonly clock: Clock;
}

const BACKOFF_MIN_MS = 800;
const BACKOFF_MAX_MS = 30_000;

/**
 * Follows the objects of one query: lists, watches from there, reconnects where the watch ends, lists
 * again where its version has expired. A failing server is asked ever less often, with jitter.
 */
export class Reflector<T> {
  readonly #options: ReflectorOptions<T>;
  readonly #synced = deferred();
  #version: string | undefined;
  #failures = 0;
  #expired = false;

  constructor(options: ReflectorOptions<T>) {
    this.#options = options;
  }

  /** Resolves after the first complete list. */
  get synced(): Promise<void> {
    return this.#synced.promise;
  }

  /** Runs until the signal aborts; never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        this.#version ??= await this.#list(signal);
        const lively = await this.#watch(this.#version, signal);
        if (!lively) await this.#pause(BACKOFF_MIN_MS, signal);
      } catch (error) {
        if (signal.aborted) return;
        if (isExpired(error) && this.#version !== undefined) {
          this.#version = undefined;
          this.#expired = true;
          await this.#pause(Math.random() * BACKOFF_MIN_MS, signal);
          continue;
        }
        if (error instanceof SyntaxError || isTooNew(error)) {
          this.#version = undefined;
          this.#expired = true;
        }
        this.#options.onError(error);
        await this.#backOff(signal);
      }
    }
  }

  async #list(signal: AbortSignal): Promise<string> {
    const { client, query, read, sink } = this.#options;
    const objects: T[] = [];
    // A narrow query is answered from the server's memory: a node's agents do not reach for etcd. Where
    // a version was lost, the answer must not be older than it.
    const fromCache = query.fieldSelector !== undefined && !this.#expired;
    const version = await client.list(query, fromCache, (object) => objects.push(read(object)), signal);
    sink.replace(objects);
    this.#expired = false;
    this.#synced.resolve();
    this.#succeed();
    return version;
  }

  /** Resolves when the server ends the watch; to whether anything came on it. */
  async #watch(version: string, signal: AbortSignal): Promise<boolean> {
    const { client, query, read, sink } = this.#options;
    let lively = false;
    for await (const { type, object } of client.watch(query, version, signal)) {
      lively = true;
      this.#succeed();
      if (type === 'DELETED') sink.remove(read(object));
      else if (type !== 'BOOKMARK') sink.upsert(read(object));
      this.#version = textAt(objectAt(object, 'metadata'), 'resourceVersion') || this.#version;
    }
    return lively;
  }

  #succeed(): void {
    if (this.#failures > 0) this.#options.onRecovery();
    this.#failures = 0;
  }

  async #backOff(signal: AbortSignal): Promise<void> {
    const ceilingMs = Math.min(BACKOFF_MAX_MS, BACKOFF_MIN_MS * 2 ** this.#failures++);
    await this.#pause(ceilingMs * (0.5 + Math.random() / 2), signal);
  }

  /** Resolves early when the signal aborts. */
  async #pause(ms: number, signal: AbortSignal): Promise<void> {
    try {
      await sleep(this.#options.clock, ms, signal);
    } catch (reason) {
      if (!signal.aborted) throw reason;
    }
  }
}
