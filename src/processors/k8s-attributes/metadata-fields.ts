// SPDX-License-Identifier: Apache-2.0

/** Attributes that `extract.metadata` may name. */
export const METADATA_FIELDS = [
  'k8s.namespace.name',
  'k8s.pod.name',
  'k8s.pod.uid',
  'k8s.pod.hostname',
  'k8s.pod.ip',
  'k8s.pod.start_time',
  'k8s.node.name',
  'k8s.node.uid',
  'k8s.cluster.uid',
  'k8s.deployment.name',
  'k8s.deployment.uid',
  'k8s.replicaset.name',
  'k8s.replicaset.uid',
  'k8s.daemonset.name',
  'k8s.daemonset.uid',
  'k8s.statefulset.name',
  'k8s.statefulset.uid',
  'k8s.job.name',
  'k8s.job.uid',
  'k8s.cronjob.name',
  'k8s.cronjob.uid',
  'k8s.container.name',
  'container.id',
  'container.image.name',
  'container.image.tag',
  'container.image.tags',
  'container.image.repo_digests',
  'service.name',
  'service.namespace',
  'service.version',
  'service.instance.id',
] as const;

export type MetadataField = (typeof METADATA_FIELDS)[number];

/** What is set where `extract.metadata` names nothing. */
export const DEFAULT_METADATA: readonly MetadataField[] = [
  'k8s.namespace.name',
  'k8s.pod.name',
  'k8s.pod.uid',
  'k8s.pod.start_time',
  'k8s.deployment.name',
  'k8s.node.name',
  'container.image.name',
  'container.image.tag',
];

/** Kinds beside pods whose metadata may be asked for. */
export const OBJECT_KINDS = [
  'namespace',
  'node',
  'replicaset',
  'deployment',
  'statefulset',
  'daemonset',
  'job',
  'cronjob',
] as const;

export type ObjectKind = (typeof OBJECT_KINDS)[number];

/** Objects from which labels and annotations may be copied. */
export const FIELD_SOURCES = ['pod', ...OBJECT_KINDS] as const;

export type FieldSource = (typeof FIELD_SOURCES)[number];
