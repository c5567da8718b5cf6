// SPDX-License-Identifier: Apache-2.0
import type { ObjectMeta, OwnerReference, Pod } from '../../discovery/kubernetes/objects.ts';
import type { FieldRules } from './field-rules.ts';
import type { MetadataField, ObjectKind } from './metadata-fields.ts';

/** What is to be set, compiled from `extract`. */
export interface Extraction {
  readonly fields: ReadonlySet<MetadataField>;
  readonly rules: FieldRules;
  /** Whether a Deployment's name is taken from its ReplicaSet's. */
  readonly deploymentFromName: boolean;
}

/** Finds other objects: namespaces and nodes by name, workloads by uid. */
export type FindObject = (kind: ObjectKind, key: string) => ObjectMeta | undefined;

/** The label of pods with what a Deployment appends to the names of its ReplicaSets; often shorter than 10 characters. */
export const HASH_LABEL = 'pod-template-hash';
/** Such a name, for pods without the label. */
const TEMPLATE_HASH = /^(.+)-[a-z0-9]{10}$/;
/** A CronJob appends the scheduled time, in minutes. */
const SCHEDULE = /^(.*)-[0-9]+$/;

/** Attributes that a pod gives to all its containers; names in the order in which they were found. */
export function podAttributes(pod: Pod, extraction: Extraction, find: FindObject): Map<string, string> {
  const out = new Map<string, string>();
  const put = (name: string, value: string): void => {
    if (value !== '' && name !== '') out.set(name, value);
  };
  const field = (name: MetadataField, value: string): void => {
    if (extraction.fields.has(name)) put(name, value);
  };
  field('k8s.namespace.name', pod.namespace);
  field('k8s.pod.name', pod.name);
  field('k8s.pod.uid', pod.uid);
  field('k8s.pod.hostname', pod.hostname);
  field('k8s.pod.ip', pod.ips[0] ?? '');
  field('k8s.pod.start_time', pod.createdAt);
  field('k8s.node.name', pod.nodeName);
  field('k8s.cluster.uid', find('namespace', 'kube-system')?.uid ?? '');
  field('service.name', pod.name);
  field('service.namespace', pod.namespace);
  for (const owner of pod.owners) ownerAttributes(pod, owner, extraction, find, field);

  for (const rule of extraction.rules.labels) if (rule.from === 'pod') rule.apply(pod.labels, put);
  field('service.name', pod.labels['app.kubernetes.io/name'] ?? '');
  field('service.name', pod.labels['app.kubernetes.io/instance'] ?? '');
  field('service.version', pod.labels['app.kubernetes.io/version'] ?? '');
  for (const rule of extraction.rules.annotations) if (rule.from === 'pod') rule.apply(pod.annotations, put);
  return out;
}

type SetField = (name: MetadataField, value: string) => void;

/** Of two names for a service the later call wins: Deployment before ReplicaSet, CronJob before Job. */
function ownerAttributes(
  pod: Pod,
  owner: OwnerReference,
  extraction: Extraction,
  find: FindObject,
  field: SetField,
): void {
  switch (owner.kind) {
    case 'ReplicaSet': {
      field('k8s.replicaset.name', owner.name);
      field('k8s.replicaset.uid', owner.uid);
      field('service.name', owner.name);
      const deployment = controllerOf(find('replicaset', owner.uid), 'Deployment');
      const guess = extraction.deploymentFromName ? deploymentNameOf(owner.name, pod) : undefined;
      const name = deployment?.name ?? guess ?? '';
      field('k8s.deployment.name', name);
      field('k8s.deployment.uid', deployment?.uid ?? '');
      field('service.name', name);
      return;
    }
    case 'StatefulSet':
      field('k8s.statefulset.name', owner.name);
      field('k8s.statefulset.uid', owner.uid);
      field('service.name', owner.name);
      return;
    case 'DaemonSet':
      field('k8s.daemonset.name', owner.name);
      field('k8s.daemonset.uid', owner.uid);
      field('service.name', owner.name);
      return;
    case 'Job': {
      field('k8s.job.name', owner.name);
      field('k8s.job.uid', owner.uid);
      field('service.name', owner.name);
      const cronJob = controllerOf(find('job', owner.uid), 'CronJob');
      const name = cronJob?.name ?? SCHEDULE.exec(owner.name)?.[1] ?? '';
      field('k8s.cronjob.name', name);
      field('k8s.cronjob.uid', cronJob?.uid ?? '');
      field('service.name', name);
      return;
    }
    default:
  }
}

function deploymentNameOf(replicaSet: string, { labels }: Pod): string | undefined {
  const suffix = `-${labels[HASH_LABEL] ?? ''}`;
  return suffix !== '-' && replicaSet.endsWith(suffix)
    ? replicaSet.slice(0, -suffix.length)
    : TEMPLATE_HASH.exec(replicaSet)?.[1];
}

export function controllerOf(object: ObjectMeta | undefined, kind: string): OwnerReference | undefined {
  return object?.owners.find((owner) => owner.kind === kind && owner.controller);
}
