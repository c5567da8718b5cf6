// SPDX-License-Identifier: Apache-2.0
import type { ObjectMeta, Pod } from '../../discovery/kubernetes/objects.ts';
import { type AnyValue, stringValue, valueToText } from '../../pdata/any-value.ts';
import { type Attributes, getText } from '../../pdata/attributes.ts';
import { containerAttributes, resolveContainer } from './container-attributes.ts';
import { OBJECT_KINDS, type ObjectKind } from './metadata-fields.ts';
import { controllerOf, type Extraction, type FindObject, podAttributes } from './pod-attributes.ts';

/** The attributes with what is known of the pod, its container and the objects around it. Nothing that is set is overwritten. */
export function enrich(
  attributes: Attributes,
  pod: Pod | undefined,
  extraction: Extraction,
  find: FindObject,
): Attributes {
  const out = new AbsentSetter(attributes);
  if (pod !== undefined) {
    for (const [name, value] of podAttributes(pod, extraction, find)) out.set(name, stringValue(value));
    const container = resolveContainer(pod, attributes);
    if (container !== undefined) {
      for (const [name, value] of containerAttributes(pod, container, attributes, extraction.fields))
        out.set(name, value);
    }
  }
  const namespace = pod?.namespace || (getText(attributes, 'k8s.namespace.name') ?? '');
  if (extraction.fields.has('service.namespace')) out.set('service.namespace', stringValue(namespace));
  for (const kind of OBJECT_KINDS) {
    const object = findRelated(kind, attributes, pod, find);
    if (object === undefined) continue;
    if (kind === 'node' && extraction.fields.has('k8s.node.uid'))
      out.set('k8s.node.uid', stringValue(object.uid));
    const put = (name: string, value: string): void => out.set(name, stringValue(value));
    for (const rule of extraction.rules.labels) if (rule.from === kind) rule.apply(object.labels, put);
    for (const rule of extraction.rules.annotations)
      if (rule.from === kind) rule.apply(object.annotations, put);
  }
  return out.attributes();
}

/** The object of a kind that the pod, or an attribute of the resource, names. */
function findRelated(
  kind: ObjectKind,
  attributes: Attributes,
  pod: Pod | undefined,
  find: FindObject,
): ObjectMeta | undefined {
  const told = (name: string): string => getText(attributes, name) ?? '';
  if (kind === 'namespace') return find(kind, pod?.namespace || told('k8s.namespace.name'));
  if (kind === 'node') return find(kind, pod?.nodeName || told('k8s.node.name'));
  return find(kind, ownerUid(kind, pod, find) || told(`k8s.${kind}.uid`));
}

function ownerUid(kind: ObjectKind, pod: Pod | undefined, find: FindObject): string {
  const owner = (name: string): string => pod?.owners.find((o) => o.kind === name)?.uid ?? '';
  switch (kind) {
    case 'replicaset':
      return owner('ReplicaSet');
    case 'deployment':
      return controllerOf(find('replicaset', owner('ReplicaSet')), 'Deployment')?.uid ?? '';
    case 'statefulset':
      return owner('StatefulSet');
    case 'daemonset':
      return owner('DaemonSet');
    case 'job':
      return owner('Job');
    case 'cronjob':
      return controllerOf(find('job', owner('Job')), 'CronJob')?.uid ?? '';
    default:
      return '';
  }
}

/** Sets attributes that are absent or empty. */
class AbsentSetter {
  readonly #before: Attributes;
  readonly #values: Map<string, AnyValue>;
  #changed = false;

  constructor(attributes: Attributes) {
    this.#before = attributes;
    this.#values = new Map(attributes.map(({ key, value }) => [key, value]));
  }

  set(name: string, value: AnyValue): void {
    const there = this.#values.get(name);
    if (name === '' || (value.kind === 'string' && value.value === '')) return;
    if (there !== undefined && valueToText(there) !== '') return;
    this.#values.set(name, value);
    this.#changed = true;
  }

  attributes(): Attributes {
    if (!this.#changed) return this.#before;
    return [...this.#values].map(([key, value]) => ({ key, value }));
  }
}
