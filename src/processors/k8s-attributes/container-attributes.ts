// SPDX-License-Identifier: Apache-2.0
import { bareContainerId, type Container, type Pod } from '../../discovery/kubernetes/objects.ts';
import { type AnyValue, stringValue } from '../../pdata/any-value.ts';
import { type Attributes, getText } from '../../pdata/attributes.ts';
import { effectiveTag, imageVersion, parseImage, repoDigest } from './image-reference.ts';
import type { MetadataField } from './metadata-fields.ts';

/** The container that a resource means: by name, else by id, else the only one there is. */
export function resolveContainer(pod: Pod, attributes: Attributes): Container | undefined {
  const name = getText(attributes, 'k8s.container.name') ?? '';
  if (name !== '') return pod.containers.find((container) => container.name === name);
  const id = bareContainerId(getText(attributes, 'container.id') ?? '');
  if (id !== '') return pod.containers.find((container) => container.runs.some((run) => run.id === id));
  const running = pod.containers.filter((container) => container.runs.length > 0);
  if (running.length === 1) return running[0];
  return pod.containers.length === 1 ? pod.containers[0] : undefined;
}

/** Attributes of one container, in the order in which they should be set. */
export function containerAttributes(
  pod: Pod,
  container: Container,
  attributes: Attributes,
  fields: ReadonlySet<MetadataField>,
): [MetadataField, AnyValue][] {
  const out: [MetadataField, AnyValue][] = [];
  const field = (name: MetadataField, value: string, isList = false): void => {
    if (value === '' || !fields.has(name)) return;
    out.push([name, isList ? { kind: 'array', value: [stringValue(value)] } : stringValue(value)]);
  };
  field('k8s.container.name', container.name);
  const image = parseImage(container.image);
  if (image !== undefined) {
    field('container.image.name', image.repository);
    field('container.image.tag', effectiveTag(image));
    field('container.image.tags', effectiveTag(image), true);
    field('service.version', imageVersion(image));
  }
  field('service.instance.id', `${pod.namespace}.${pod.name}.${container.name}`);
  const run = resolveRun(container, attributes);
  field('container.id', run?.id ?? '');
  field('container.image.repo_digests', repoDigest(run?.imageId ?? ''), true);
  return out;
}

/** By k8s.container.restart_count where the resource has it, else the newest run. */
function resolveRun(container: Container, attributes: Attributes): Container['runs'][number] | undefined {
  const restartCount = getText(attributes, 'k8s.container.restart_count');
  if (restartCount !== undefined)
    return container.runs.find((run) => String(run.restartCount) === restartCount);
  return container.runs.reduce<Container['runs'][number] | undefined>(
    (newest, run) => (newest === undefined || run.restartCount > newest.restartCount ? run : newest),
    undefined,
  );
}
