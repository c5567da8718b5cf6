// SPDX-License-Identifier: Apache-2.0
import { packLabels } from '../../../relabel/packed-labels.ts';
import type { LabelSet } from '../../../relabel/relabel.ts';
import type { TargetGroup } from '../../target.ts';
import { type JsonObject, listAt, numberAt, objectAt, textAt } from '../json.ts';
import { hostPort, type Labels, setMeta, setObjectMeta, type TextPool } from '../meta-labels.ts';
import { type Finder, merged } from './finder.ts';
import type { ContainerPort, PodContainer, PodRecord } from './records.ts';

/** What is kept of a pod. */
export function readPodRecord(object: JsonObject, pool: TextPool): PodRecord {
  const metadata = objectAt(object, 'metadata');
  const spec = objectAt(object, 'spec');
  const status = objectAt(object, 'status');
  const controller = listAt(metadata, 'ownerReferences').find((owner) => owner.controller === true) ?? {};
  const record = {
    name: textAt(metadata, 'name'),
    namespace: pool.share(textAt(metadata, 'namespace')),
    ip: textAt(status, 'podIP'),
    nodeName: pool.share(textAt(spec, 'nodeName')),
    controllerKind: pool.share(textAt(controller, 'kind')),
    controllerName: pool.share(textAt(controller, 'name')),
  };
  const labels: Labels = new Map();
  setMeta(labels, 'namespace', record.namespace);
  setMeta(labels, 'pod_ip', record.ip);
  setMeta(labels, 'pod_ready', readiness(status));
  setMeta(labels, 'pod_phase', pool.share(textAt(status, 'phase')));
  setMeta(labels, 'pod_node_name', record.nodeName);
  setMeta(labels, 'pod_host_ip', pool.share(textAt(status, 'hostIP')));
  setMeta(labels, 'pod_uid', textAt(metadata, 'uid'));
  setObjectMeta(labels, 'pod', object, pool);
  setMeta(labels, 'pod_controller_kind', record.controllerKind);
  setMeta(labels, 'pod_controller_name', record.controllerName);
  return { ...record, labels: packLabels(labels), containers: readContainers(spec, status, pool) };
}

/** One target for each port of each container, init containers last; a container without ports has one without port. */
export function podGroup(pod: PodRecord, find: Finder): TargetGroup {
  const name = `pod/${pod.namespace}/${pod.name}`;
  // A pod that starts or was evicted has no address.
  if (pod.ip === '' || !find.isSelectedNode(pod.nodeName)) return { name, labels: pod.labels, targets: [] };
  const attached = [find.namespace(pod.namespace), find.node(pod.nodeName)];
  const own = podLabels(pod, find);
  const labels = attached.every((set) => set === undefined)
    ? own
    : packLabels(merged(own, ...attached), own, ...attached);
  const targets = pod.containers.flatMap((container) =>
    container.ports.length === 0
      ? [packLabels(merged(new Map([['__address__', pod.ip]]), container.labels))]
      : container.ports.map((port) => packLabels(portTarget(pod, port))),
  );
  return { name, labels, targets };
}

/** The address of a port, with the labels of its container. */
export function portTarget(pod: PodRecord, port: ContainerPort): Labels {
  return merged(new Map([['__address__', hostPort(pod.ip, port.number)]]), port.labels);
}

/** Labels of the pod with the workload that controls it, as far as that is attached. */
export function podLabels(pod: PodRecord, find: Finder): LabelSet {
  const { namespace, controllerKind: kind, controllerName: name } = pod;
  const deployment = kind === 'ReplicaSet' ? find.deploymentOf(namespace, name) : undefined;
  const cronJob = kind === 'Job' ? find.cronJobOf(namespace, name) : undefined;
  const job = kind === 'Job' && find.attachesJob ? name : undefined;
  if (deployment === undefined && cronJob === undefined && job === undefined) return pod.labels;
  const labels = merged(pod.labels);
  setMeta(labels, 'pod_deployment_name', deployment ?? '');
  setMeta(labels, 'pod_job_name', job ?? '');
  setMeta(labels, 'pod_cronjob_name', cronJob ?? '');
  return labels;
}

function readiness(status: JsonObject): string {
  const ready = listAt(status, 'conditions').find((condition) => textAt(condition, 'type') === 'Ready');
  const text = ready === undefined ? '' : textAt(ready, 'status').toLowerCase();
  return text === 'true' || text === 'false' ? text : 'unknown';
}

function readContainers(spec: JsonObject, status: JsonObject, pool: TextPool): PodContainer[] {
  return [
    ...listAt(spec, 'containers').map((entry) =>
      readContainer(entry, listAt(status, 'containerStatuses'), false, pool),
    ),
    ...listAt(spec, 'initContainers').map((entry) =>
      readContainer(entry, listAt(status, 'initContainerStatuses'), true, pool),
    ),
  ];
}

function readContainer(
  entry: JsonObject,
  statuses: readonly JsonObject[],
  init: boolean,
  pool: TextPool,
): PodContainer {
  const name = pool.share(textAt(entry, 'name'));
  const status = statuses.find((candidate) => textAt(candidate, 'name') === name);
  const labels: Labels = new Map();
  setMeta(labels, 'pod_container_name', name);
  // With its runtime, as "containerd://4c2a…"; empty while the container starts.
  setMeta(labels, 'pod_container_id', status === undefined ? '' : textAt(status, 'containerID'));
  setMeta(labels, 'pod_container_image', pool.share(textAt(entry, 'image')));
  setMeta(labels, 'pod_container_init', String(init));
  const ports = listAt(entry, 'ports').map((port): ContainerPort => {
    const number = numberAt(port, 'containerPort');
    const protocol = pool.share(textAt(port, 'protocol'));
    const withPort = merged(labels);
    setMeta(withPort, 'pod_container_port_name', pool.share(textAt(port, 'name')));
    setMeta(withPort, 'pod_container_port_number', pool.share(String(number)));
    setMeta(withPort, 'pod_container_port_protocol', protocol);
    return { number, labels: packLabels(withPort), protocol };
  });
  return { labels: packLabels(labels), lasting: !init || textAt(entry, 'restartPolicy') === 'Always', ports };
}
