// SPDX-License-Identifier: Apache-2.0
import { type JsonObject, listAt, numberAt, objectAt, textAt, textsAt } from './json.ts';

export interface OwnerReference {
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
  readonly controller: boolean;
}

/** What is kept of any object. */
export interface ObjectMeta {
  readonly name: string;
  readonly namespace: string;
  readonly uid: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly owners: readonly OwnerReference[];
}

/** One run of a container; ids are bare, without `containerd://`. */
interface ContainerRun {
  readonly id: string;
  readonly restartCount: number;
  readonly imageId: string;
}

export interface Container {
  readonly name: string;
  readonly image: string;
  /** Newest first. */
  readonly runs: readonly ContainerRun[];
}

export interface Pod extends ObjectMeta {
  /** RFC 3339, as the API server writes it. */
  readonly createdAt: string;
  /** status.startTime as milliseconds; 0 before the pod is bound. */
  readonly startedAtMs: number;
  readonly nodeName: string;
  readonly hostname: string;
  readonly hostNetwork: boolean;
  /** The primary address first. */
  readonly ips: readonly string[];
  /** Init and ephemeral containers too. */
  readonly containers: readonly Container[];
}

/** Which labels and annotations are worth their memory. */
export interface Wanted {
  label(name: string): boolean;
  annotation(name: string): boolean;
}

export function readObjectMeta(object: JsonObject, wanted: Wanted): ObjectMeta {
  const metadata = objectAt(object, 'metadata');
  return {
    name: textAt(metadata, 'name'),
    namespace: textAt(metadata, 'namespace'),
    uid: textAt(metadata, 'uid'),
    labels: textsAt(metadata, 'labels', (name) => wanted.label(name)),
    annotations: textsAt(metadata, 'annotations', (name) => wanted.annotation(name)),
    owners: listAt(metadata, 'ownerReferences').map((owner) => ({
      kind: textAt(owner, 'kind'),
      name: textAt(owner, 'name'),
      uid: textAt(owner, 'uid'),
      controller: owner.controller === true,
    })),
  };
}

export function readPod(object: JsonObject, wanted: Wanted): Pod {
  const metadata = objectAt(object, 'metadata');
  const spec = objectAt(object, 'spec');
  const status = objectAt(object, 'status');
  const podIps = listAt(status, 'podIPs').map((entry) => textAt(entry, 'ip'));
  return {
    ...readObjectMeta(object, wanted),
    createdAt: textAt(metadata, 'creationTimestamp'),
    startedAtMs: Date.parse(textAt(status, 'startTime')) || 0,
    nodeName: textAt(spec, 'nodeName'),
    hostname: textAt(spec, 'hostname'),
    hostNetwork: spec.hostNetwork === true,
    ips: [...new Set([textAt(status, 'podIP'), ...podIps])].filter((ip) => ip !== ''),
    containers: readContainers(spec, status),
  };
}

function readContainers(spec: JsonObject, status: JsonObject): Container[] {
  const lists = ['containers', 'initContainers', 'ephemeralContainers'].map((key) => listAt(spec, key));
  const statuses = ['containerStatuses', 'initContainerStatuses', 'ephemeralContainerStatuses'].flatMap(
    (key) => listAt(status, key),
  );
  const images = new Map(
    lists.flat().map((container) => [textAt(container, 'name'), textAt(container, 'image')]),
  );
  for (const entry of statuses) if (!images.has(textAt(entry, 'name'))) images.set(textAt(entry, 'name'), '');
  return [...images].map(([name, image]) => ({
    name,
    image,
    runs: statuses.filter((entry) => textAt(entry, 'name') === name).flatMap(readRuns),
  }));
}

/** The current run and the one before it: profiles of a container that just died still arrive. */
function readRuns(status: JsonObject): ContainerRun[] {
  const restartCount = numberAt(status, 'restartCount');
  const lastId = textAt(objectAt(objectAt(status, 'lastState'), 'terminated'), 'containerID');
  const runs = [
    { id: bareContainerId(textAt(status, 'containerID')), restartCount, imageId: textAt(status, 'imageID') },
    { id: bareContainerId(lastId), restartCount: restartCount - 1, imageId: '' },
  ];
  return runs.filter((run) => run.id !== '');
}

/** `containerd://4c2a…` → `4c2a…`; a bare id stays. */
export function bareContainerId(id: string): string {
  const scheme = id.indexOf('://');
  return scheme < 0 ? id : id.slice(scheme + 3);
}
