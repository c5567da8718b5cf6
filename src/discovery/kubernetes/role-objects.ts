// SPDX-License-Identifier: Apache-2.0
import { packLabels } from '../../relabel/packed-labels.ts';
import type { LabelSet } from '../../relabel/relabel.ts';
import type { TargetGroup } from '../target.ts';
import { Dependencies } from './dependencies.ts';
import { type JsonObject, listAt, objectAt, textAt } from './json.ts';
import { type Change, KindStore } from './kind-store.ts';
import type { WatchedKind } from './kinds.ts';
import { keyOf, type Labels, setLabelsAndAnnotations, setObjectMeta, TextPool } from './meta-labels.ts';
import type { Finder } from './roles/finder.ts';
import { readPodRecord } from './roles/pod.ts';
import type { PodRecord, ServiceRecord } from './roles/records.ts';
import type { RoleMaker } from './roles/roles.ts';
import { readService } from './roles/service.ts';
import { type WatchPlan, watchPlan } from './watch-plan.ts';

/** What is attached to targets, and which other objects a role needs. */
export interface Attachments {
  readonly node: boolean;
  readonly namespace: boolean;
  readonly deployment: boolean;
  readonly job: boolean;
  readonly cronjob: boolean;
  /** Pods count only where their node is selected. */
  readonly selectsNodes: boolean;
}

/** Told of what comes, changes and goes. */
export interface RoleObserver {
  changed(kind: WatchedKind, change: Change): void;
  /** There are groups to take. */
  dirty(): void;
  /** An object cannot be read. */
  unreadable(kind: WatchedKind, name: string, error: unknown): void;
}

const NO_LABELS: LabelSet = new Map();

/** Targets of one role out of the objects that are known. Of a change only what depends on it is made again. */
export class RoleObjects<Kept> {
  /** What has to be watched; the kind of the role itself first. */
  readonly watches: readonly WatchPlan[];
  readonly #role: RoleMaker<Kept>;
  readonly #attach: Attachments;
  readonly #observer: RoleObserver;
  readonly #pool = new TextPool();
  readonly #dependencies = new Dependencies();
  readonly #primary: KindStore<Kept>;
  /** Groups to be made, by the key of their object; undefined where it went. */
  readonly #dirty = new Map<string, Kept | undefined>();
  #nodes: KindStore<LabelSet> | undefined;
  #namespaces: KindStore<LabelSet> | undefined;
  #deployments: KindStore<string> | undefined;
  #cronJobs: KindStore<string> | undefined;
  #services: KindStore<ServiceRecord> | undefined;
  #pods: KindStore<PodRecord> | undefined;

  constructor(role: RoleMaker<Kept>, attach: Attachments, observer: RoleObserver) {
    this.#role = role;
    this.#attach = attach;
    this.#observer = observer;
    const others = this.#watchOthers();
    // A group that depends on nothing else is made when its object is seen, and the object not kept.
    this.#primary = new KindStore<Kept>(others.length > 0, (change, key, record) => {
      observer.changed(role.kind, change);
      this.#dirty.set(key, record);
      observer.dirty();
    });
    const read = (object: JsonObject): Kept => role.read(object, this.#pool);
    this.watches = [watchPlan(role.kind, false, read, this.#primary, observer), ...others];
  }

  /** Groups yet to be made. */
  get waiting(): number {
    return this.#dirty.size;
  }

  /** Makes up to `limit` groups of those that have to be made. */
  take(limit: number): TargetGroup[] {
    const groups: TargetGroup[] = [];
    for (const [key, record] of this.#dirty) {
      if (groups.length >= limit) break;
      this.#dirty.delete(key);
      const asked = new Set<string>();
      groups.push(
        record === undefined
          ? { name: `${this.#role.prefix}/${key}`, labels: NO_LABELS, targets: [] }
          : this.#role.group(record, this.#finder(asked)),
      );
      this.#dependencies.set(key, asked);
    }
    return groups;
  }

  #watchOthers(): WatchPlan[] {
    const { node, namespace, deployment, cronjob, selectsNodes } = this.#attach;
    const { kind, joins } = this.#role;
    const pool = this.#pool;
    const plans: WatchPlan[] = [];
    const add = <Other>(
      other: WatchedKind,
      metadataOnly: boolean,
      read: (object: JsonObject) => Other,
    ): KindStore<Other> => {
      const store = new KindStore<Other>(true, (change, key) => this.#otherChanged(other, change, key));
      plans.push(watchPlan(other, metadataOnly, read, store, this.#observer));
      return store;
    };
    const withPods = kind === 'pod' || joins;
    if (joins) {
      this.#services = add('service', false, (object) => readService(object, pool));
      this.#pods = add('pod', false, (object) => readPodRecord(object, pool));
    }
    if (withPods && (node || selectsNodes)) this.#nodes = add('node', true, (o) => nodeLabels(o, pool));
    if (kind !== 'node' && namespace)
      this.#namespaces = add('namespace', true, (object) => namespaceLabels(object, pool));
    if (withPods && deployment)
      this.#deployments = add('replicaset', true, (o) => pool.share(controllerOf(o, 'Deployment')));
    if (withPods && cronjob) this.#cronJobs = add('job', true, (o) => pool.share(controllerOf(o, 'CronJob')));
    return plans;
  }

  #otherChanged(kind: WatchedKind, change: Change, key: string): void {
    this.#observer.changed(kind, change);
    for (const asker of this.#dependencies.askersOf(`${kind} ${key}`)) {
      const record = this.#primary.get(asker);
      if (record !== undefined && !this.#dirty.has(asker)) this.#dirty.set(asker, record);
    }
    if (this.#dirty.size > 0) this.#observer.dirty();
  }

  #finder(asked: Set<string>): Finder {
    const ask = <Other>(store: KindStore<Other> | undefined, kind: WatchedKind, key: string) => {
      if (store === undefined || key === '') return undefined;
      asked.add(`${kind} ${key}`);
      return store.get(key);
    };
    const { node: attachesNode, selectsNodes, job } = this.#attach;
    return {
      attachesJob: job,
      node: (name) => (attachesNode ? ask(this.#nodes, 'node', name) : undefined),
      isSelectedNode: (name) => !selectsNodes || ask(this.#nodes, 'node', name) !== undefined,
      namespace: (name) => ask(this.#namespaces, 'namespace', name),
      deploymentOf: (namespace, name) => ask(this.#deployments, 'replicaset', keyOf(namespace, name)),
      cronJobOf: (namespace, name) => ask(this.#cronJobs, 'job', keyOf(namespace, name)),
      service: (namespace, name) => ask(this.#services, 'service', keyOf(namespace, name)),
      pod: (namespace, name) => ask(this.#pods, 'pod', keyOf(namespace, name)),
    };
  }
}

function nodeLabels(object: JsonObject, pool: TextPool): LabelSet {
  const labels: Labels = new Map();
  setObjectMeta(labels, 'node', object, pool);
  return packLabels(labels);
}

function namespaceLabels(object: JsonObject, pool: TextPool): LabelSet {
  const labels: Labels = new Map();
  setLabelsAndAnnotations(labels, 'namespace', object, pool);
  return packLabels(labels);
}

/** Name of the object of this kind that controls another; empty where there is none. */
function controllerOf(object: JsonObject, kind: string): string {
  const owner = listAt(objectAt(object, 'metadata'), 'ownerReferences').find(
    (reference) => reference.controller === true && textAt(reference, 'kind') === kind,
  );
  return owner === undefined ? '' : textAt(owner, 'name');
}
