// SPDX-License-Identifier: Apache-2.0
import { isDeepStrictEqual } from 'node:util';
import type { Settings } from '../../component/component.ts';
import type { Counter } from '../../component/telemetry.ts';
import {
  KubernetesApiClient,
  KubernetesApiError,
  type ResourceQuery,
} from '../../discovery/kubernetes/api-client.ts';
import type { ApiConnection } from '../../discovery/kubernetes/connection.ts';
import type { JsonObject } from '../../discovery/kubernetes/json.ts';
import { type ObjectMeta, type Pod, readObjectMeta, readPod } from '../../discovery/kubernetes/objects.ts';
import { Reflector, type ReflectorSink } from '../../discovery/kubernetes/reflector.ts';
import { type Clock, sleep } from '../../internal/clock.ts';
import { type Identity, identitiesOf, type Sources } from './association.ts';
import type { Config } from './config.ts';
import type { ObjectKind } from './metadata-fields.ts';
import { IGNORE_ANNOTATIONS, neededKinds, queriesFor, wantedOf } from './object-kinds.ts';
import { type Extraction, podAttributes } from './pod-attributes.ts';
import { PodTable } from './pod-table.ts';

export interface ClusterViewOptions {
  readonly settings: Settings;
  readonly config: Config;
  readonly connection: ApiConnection;
  readonly extraction: Extraction;
  readonly rules: readonly Sources[];
  readonly clock: Clock;
}

/** Failures of a watch are logged when they begin, and then once in so many. */
const LOG_EVERY = 20;

/** What this process knows of the cluster, kept up to date by watches. */
export class ClusterView {
  readonly #options: ClusterViewOptions;
  readonly #client: KubernetesApiClient;
  readonly #stop = new AbortController();
  readonly #pods: PodTable;
  readonly #objects = new Map<ObjectKind, Map<string, ObjectMeta>>();
  readonly #errors: Counter;
  #running: Promise<unknown> = Promise.resolve();
  #generation = 0;

  constructor(options: ClusterViewOptions) {
    const { settings, config, connection, clock } = options;
    this.#options = options;
    this.#pods = new PodTable(config.pod_delete_grace_period);
    this.#client = new KubernetesApiClient({
      connection,
      userAgent: `${settings.build.command}/${settings.build.version}`,
      perSecond: config.kube_api_qps,
      burst: config.kube_api_burst,
      clock,
    });
    this.#errors = settings.meter.counter('otelsvc_k8s_watch_errors', 'Failed lists and watches', [
      'kind',
      'reason',
    ]);
    settings.meter.observe('gauge', 'otelsvc_k8s_pod_table_size', 'Pods known', [], () => [
      { value: this.#pods.size },
    ]);
  }

  /** Changes whenever an answer of this view may change. */
  generation(): number {
    if (this.#pods.purge(this.#options.clock.now())) this.#generation++;
    return this.#generation;
  }

  findPod(identity: Identity): Pod | undefined {
    return this.#pods.find(identity);
  }

  /** Namespaces and nodes by name, workloads by uid. */
  readonly findObject = (kind: ObjectKind, key: string): ObjectMeta | undefined =>
    this.#objects.get(kind)?.get(key);

  /** Begins to watch; resolves when pods are known, or at once. */
  async start(signal: AbortSignal): Promise<void> {
    const { config, extraction } = this.#options;
    const others = [...neededKinds(extraction)].flatMap((kind) => this.#watchObjects(kind));
    const pods = queriesFor('pod', config.filter, extraction).map((query) => this.#watchPods(query));
    const reflectors = [...others, ...pods];
    this.#running = Promise.all(reflectors.map((reflector) => reflector.run(this.#stop.signal)));
    if (!config.wait_for_metadata) return;
    await this.#allSynced(reflectors, config.wait_for_metadata_timeout, signal);
  }

  async #allSynced(
    reflectors: readonly { readonly synced: Promise<void> }[],
    timeoutMs: number,
    signal: AbortSignal,
  ): Promise<void> {
    const done = new AbortController();
    const timeout = sleep(
      this.#options.clock,
      timeoutMs,
      AbortSignal.any([signal, this.#stop.signal, done.signal]),
    ).then(() => {
      throw new Error(
        `failed to wait for caches to sync within ${timeoutMs} ms; the warnings above say what could not be listed`,
      );
    });
    try {
      await Promise.race([Promise.all(reflectors.map((reflector) => reflector.synced)), timeout]);
    } finally {
      done.abort(new Error('done'));
    }
  }

  async shutdown(): Promise<void> {
    this.#stop.abort(new Error('shutdown'));
    await this.#client.close();
    await this.#running;
  }

  #watchPods(query: ResourceQuery): Reflector<Pod> {
    const { extraction, clock, rules } = this.#options;
    const count = this.#counters('pod');
    const wanted = wantedOf('pod', extraction);
    const ignored = (pod: Pod): boolean => this.#isIgnored(pod);
    /** Pods of this query alone: another namespace has its own. */
    const mine = new Set<string>();
    const upsert = (pod: Pod): void => {
      mine.add(pod.uid);
      const known = this.#pods.known(pod.uid);
      if (known !== undefined && isDeepStrictEqual(known, pod)) return;
      count(known === undefined ? 'added' : 'updated');
      const identities = ignored(pod)
        ? []
        : identitiesOf(pod, podAttributes(pod, extraction, this.findObject), rules);
      this.#pods.upsert(pod, identities, clock.now());
      this.#generation++;
    };
    const remove = (uid: string): void => {
      mine.delete(uid);
      if (!this.#pods.remove(uid, clock.now())) return;
      count('deleted');
      this.#generation++;
    };
    return this.#reflector('pod', query, (object) => readPod(object, wanted), {
      upsert,
      remove: (pod) => remove(pod.uid),
      replace: (pods) => {
        const present = new Set(pods.map((pod) => pod.uid));
        for (const uid of Array.from(mine)) if (!present.has(uid)) remove(uid);
        for (const pod of pods) upsert(pod);
      },
    });
  }

  #watchObjects(kind: ObjectKind): Reflector<ObjectMeta>[] {
    const { config, extraction } = this.#options;
    const count = this.#counters(kind);
    const wanted = wantedOf(kind, extraction);
    const objects = new Map<string, ObjectMeta>();
    this.#objects.set(kind, objects);
    const keyOf = (object: ObjectMeta): string =>
      kind === 'namespace' || kind === 'node' ? object.name : object.uid;
    return queriesFor(kind, config.filter, extraction).map((query) => {
      const mine = new Set<string>();
      const upsert = (object: ObjectMeta): void => {
        mine.add(keyOf(object));
        const known = objects.get(keyOf(object));
        if (isDeepStrictEqual(known, object)) return;
        count(known === undefined ? 'added' : 'updated');
        objects.set(keyOf(object), object);
        this.#generation++;
      };
      const remove = (key: string): void => {
        mine.delete(key);
        if (!objects.delete(key)) return;
        count('deleted');
        this.#generation++;
      };
      return this.#reflector(kind, query, (object) => readObjectMeta(object, wanted), {
        upsert,
        remove: (object) => remove(keyOf(object)),
        replace: (list) => {
          const present = new Set(list.map(keyOf));
          for (const key of Array.from(mine)) if (!present.has(key)) remove(key);
          for (const object of list) upsert(object);
        },
      });
    });
  }

  #isIgnored(pod: Pod): boolean {
    const asked = IGNORE_ANNOTATIONS.some((name) => pod.annotations[name]?.trim().toLowerCase() === 'true');
    return asked || this.#options.config.exclude.pods.some(({ name }) => name.test(pod.name));
  }

  #counters(kind: ObjectKind | 'pod'): (event: 'added' | 'updated' | 'deleted') => void {
    const { meter } = this.#options.settings;
    const counters = {
      added: meter.counter(`otelsvc_k8s_${kind}_added`, `Number of ${kind} add events received`),
      updated: meter.counter(`otelsvc_k8s_${kind}_updated`, `Number of ${kind} update events received`),
      deleted: meter.counter(`otelsvc_k8s_${kind}_deleted`, `Number of ${kind} delete events received`),
    };
    return (event) => counters[event].add(1);
  }

  #reflector<T>(
    kind: ObjectKind | 'pod',
    query: ResourceQuery,
    read: (object: JsonObject) => T,
    sink: ReflectorSink<T>,
  ): Reflector<T> {
    const { logger } = this.#options.settings;
    let failures = 0;
    return new Reflector({
      client: this.#client,
      query,
      read,
      sink,
      clock: this.#options.clock,
      onError: (error) => {
        const reason = error instanceof KubernetesApiError ? String(error.status) : 'connection';
        this.#errors.add(1, { kind, reason });
        if (failures++ % LOG_EVERY === 0)
          logger.warn(`cannot watch ${kind}s, will try again`, {
            path: query.path,
            failures,
            error,
            ...hint(error),
          });
      },
      onRecovery: () => {
        logger.info(`watching ${kind}s again`, { path: query.path, failures });
        failures = 0;
      },
    });
  }
}

function hint(error: unknown): { hint?: string } {
  if (!(error instanceof KubernetesApiError)) return {};
  if (error.status === 403)
    return {
      hint: 'grant get, list and watch on it to the service account (ClusterRole, or Role with filter.namespace)',
    };
  return error.status === 401 ? { hint: 'the token or client certificate is not accepted' } : {};
}
