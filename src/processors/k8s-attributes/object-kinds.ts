// SPDX-License-Identifier: Apache-2.0
import type { ResourceQuery } from '../../discovery/kubernetes/api-client.ts';
import type { Wanted } from '../../discovery/kubernetes/objects.ts';
import type { Config } from './config.ts';
import type { FieldSource, ObjectKind } from './metadata-fields.ts';
import { type Extraction, HASH_LABEL } from './pod-attributes.ts';

const API: Readonly<Record<ObjectKind | 'pod', { readonly group: string; readonly plural: string }>> = {
  pod: { group: '/api/v1', plural: 'pods' },
  namespace: { group: '/api/v1', plural: 'namespaces' },
  node: { group: '/api/v1', plural: 'nodes' },
  replicaset: { group: '/apis/apps/v1', plural: 'replicasets' },
  deployment: { group: '/apis/apps/v1', plural: 'deployments' },
  statefulset: { group: '/apis/apps/v1', plural: 'statefulsets' },
  daemonset: { group: '/apis/apps/v1', plural: 'daemonsets' },
  job: { group: '/apis/batch/v1', plural: 'jobs' },
  cronjob: { group: '/apis/batch/v1', plural: 'cronjobs' },
};

/** Annotations by which a pod asks to be left alone. */
export const IGNORE_ANNOTATIONS = [
  'opentelemetry.io/k8s-processor/ignore',
  'opentelemetry.io/k8s-processor.ignore',
];

/** The kinds beside pods that the extraction asks for; nothing else is watched. */
export function neededKinds({ fields, rules, deploymentFromName }: Extraction): ReadonlySet<ObjectKind> {
  const sources = new Set<FieldSource>([...rules.labels, ...rules.annotations].map((rule) => rule.from));
  const kinds = new Set<ObjectKind>();
  for (const source of sources) if (source !== 'pod') kinds.add(source);
  if (fields.has('k8s.cluster.uid')) kinds.add('namespace');
  if (fields.has('k8s.node.uid')) kinds.add('node');
  const deploymentName = fields.has('k8s.deployment.name') || fields.has('service.name');
  if (
    fields.has('k8s.deployment.uid') ||
    kinds.has('deployment') ||
    (deploymentName && !deploymentFromName)
  ) {
    kinds.add('replicaset');
  }
  if (fields.has('k8s.cronjob.uid') || kinds.has('cronjob')) kinds.add('job');
  return kinds;
}

/** What to ask the API server for: one query a namespace where namespaces are given. */
export function queriesFor(
  kind: ObjectKind | 'pod',
  filter: Config['filter'],
  extraction: Extraction,
): ResourceQuery[] {
  const { group, plural } = API[kind];
  const node = nodeOf(filter);
  const metadataOnly = kind !== 'pod';
  if (kind === 'node') {
    return [
      {
        path: `${group}/${plural}`,
        metadataOnly,
        ...(node !== '' && { fieldSelector: equalsField('metadata.name', node) }),
      },
    ];
  }
  if (kind === 'namespace') {
    const labelled = [...extraction.rules.labels, ...extraction.rules.annotations].some(
      (rule) => rule.from === kind,
    );
    const names = labelled ? filter.namespace : ['kube-system'];
    const cluster = extraction.fields.has('k8s.cluster.uid') && names.length > 0 ? ['kube-system'] : [];
    const wanted = [...new Set([...names, ...cluster])];
    if (wanted.length === 0) return [{ path: `${group}/${plural}`, metadataOnly }];
    return wanted.map((name) => ({
      path: `${group}/${plural}`,
      metadataOnly,
      fieldSelector: equalsField('metadata.name', name),
    }));
  }
  const paths =
    filter.namespace.length === 0
      ? [`${group}/${plural}`]
      : filter.namespace.map((name) => `${group}/namespaces/${encodeURIComponent(name)}/${plural}`);
  return paths.map((path) => ({ path, metadataOnly, ...(kind === 'pod' && podSelectors(filter, node)) }));
}

export function nodeOf({ node, node_from_env_var }: Config['filter']): string {
  return node_from_env_var === '' ? node : (process.env[node_from_env_var] ?? '');
}

function podSelectors(
  filter: Config['filter'],
  node: string,
): Pick<ResourceQuery, 'fieldSelector' | 'labelSelector'> {
  const fields = filter.fields.map(({ key, value, op }) =>
    op === 'not-equals' ? `${key}!=${escapeField(value)}` : equalsField(key, value),
  );
  if (node !== '') fields.push(equalsField('spec.nodeName', node));
  const labels = filter.labels.map(({ key, value, op }) => {
    if (op === 'exists') return key;
    if (op === 'does-not-exist') return `!${key}`;
    return op === 'not-equals' ? `${key}!=${value}` : `${key}=${value}`;
  });
  return {
    ...(fields.length > 0 && { fieldSelector: fields.join(',') }),
    ...(labels.length > 0 && { labelSelector: labels.join(',') }),
  };
}

function equalsField(key: string, value: string): string {
  return `${key}=${escapeField(value)}`;
}

/** Field selectors escape with a backslash (apimachinery, fields.EscapeValue). */
function escapeField(value: string): string {
  return value.replace(/[\\,=]/g, '\\$&');
}

/** The labels and annotations of a kind that some rule reads; the others are not kept. */
export function wantedOf(kind: ObjectKind | 'pod', { fields, rules }: Extraction): Wanted {
  const labels = rules.labels.filter((rule) => rule.from === kind);
  const annotations = rules.annotations.filter((rule) => rule.from === kind);
  const service = kind === 'pod' && (fields.has('service.name') || fields.has('service.version'));
  const deployment = kind === 'pod' && (fields.has('k8s.deployment.name') || fields.has('service.name'));
  return {
    label: (name) =>
      (deployment && name === HASH_LABEL) ||
      (service && name.startsWith('app.kubernetes.io/')) ||
      labels.some((rule) => rule.wants(name)),
    annotation: (name) =>
      (kind === 'pod' && IGNORE_ANNOTATIONS.includes(name)) || annotations.some((rule) => rule.wants(name)),
  };
}
