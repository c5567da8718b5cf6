// SPDX-License-Identifier: Apache-2.0
import type { DemangleMode } from '../../native/addon.ts';
import type { LabelSet } from '../../relabel/relabel.ts';

/** Whose rules for names hold: those of pyroscope.ebpf (Alloy, Agent), or those of phlare.ebpf before it. */
export interface Naming {
  /** Names a service that has no name of its own, by what discovery says of it; undefined where that says nothing. */
  infer(labels: LabelSet): string | undefined;
  /** What every service is called otherwise. */
  readonly fallback: string;
}

/** What a target decides for itself, by labels `__meta_pyroscope_ebpf_options_*`; undefined: as the component says. */
export interface TargetOptions {
  readonly collectKernel?: boolean;
  readonly demangle?: DemangleMode;
  readonly pythonEnabled?: boolean;
  readonly pythonFullFilePath?: boolean;
}

/** What a target is found by. */
export type TargetKey =
  | { readonly kind: 'pid'; readonly pid: number }
  | { readonly kind: 'container'; readonly id: string };

/** A target that processes can be matched with, or the one of all others. */
export interface Target {
  /** Labels of its series: without `__meta_*` and the like, with `service_name` and the key it was found by. */
  readonly labels: LabelSet;
  readonly serviceName: string;
  readonly options: TargetOptions;
}

const MAX_PID = 2 ** 32 - 1;
const OPTION_PREFIX = '__meta_pyroscope_ebpf_options_';
const K8S_CONTAINER_ID = '__meta_kubernetes_pod_container_id';
const K8S_RUNTIMES = ['docker://', 'containerd://', 'cri-o://'];

/** The rules of pyroscope.ebpf: `ebpf/NAMESPACE/CONTAINER`, the names of Docker and Swarm. */
export const pyroscopeNaming = (serviceName: string): Naming => ({
  infer: (labels) =>
    first(labels, '__meta_kubernetes_pod_annotation_pyroscope_io_service_name') ??
    joined('ebpf/', labels, '__meta_kubernetes_namespace', '__meta_kubernetes_pod_container_name') ??
    first(
      labels,
      '__meta_docker_container_name',
      '__meta_dockerswarm_container_label_service_name',
      '__meta_dockerswarm_service_name',
    ),
  fallback: serviceName === '' ? 'unspecified' : serviceName,
});

/** The rules of phlare.ebpf: `NAMESPACE/POD`, Docker's name, the option `service_name`, the component's name. */
export const phlareNaming = (serviceName: string, componentName: string): Naming => ({
  infer: (labels) =>
    joined('', labels, '__meta_kubernetes_namespace', '__meta_kubernetes_pod_name') ??
    first(labels, '__meta_docker_container_name'),
  fallback:
    serviceName === '' ? `phlare.ebpf.${componentName === '' ? 'default' : componentName}` : serviceName,
});

function first(labels: LabelSet, ...names: readonly string[]): string | undefined {
  for (const name of names) {
    const value = labels.get(name) ?? '';
    if (value !== '') return value;
  }
  return undefined;
}

function joined(prefix: string, labels: LabelSet, ...names: readonly string[]): string | undefined {
  const values = names.map((name) => labels.get(name) ?? '');
  return values.includes('') ? undefined : prefix + values.join('/');
}

/**
 * What a target is found by: its process, else its container, by the first of the labels that say which. Undefined
 * where none does, or where the container is of a runtime that Kubernetes' prefix does not name as one we know.
 */
export function targetKey(labels: LabelSet): TargetKey | undefined {
  const text = labels.get('__process_pid__') ?? '';
  const pid = /^\d{1,20}$/.test(text) ? Number(text) : 0;
  if (pid !== 0 && pid <= MAX_PID) return { kind: 'pid', pid };
  const own = labels.get('__container_id__') ?? '';
  if (own !== '') return { kind: 'container', id: own };
  const ofPod = labels.get(K8S_CONTAINER_ID) ?? '';
  if (ofPod !== '') {
    const runtime = K8S_RUNTIMES.find((prefix) => ofPod.startsWith(prefix));
    const id = ofPod.slice(runtime?.length ?? 0);
    return runtime === undefined || id === '' ? undefined : { kind: 'container', id };
  }
  const id = first(labels, '__meta_docker_container_id', '__meta_dockerswarm_task_container_id');
  return id === undefined ? undefined : { kind: 'container', id };
}

/** The target of these labels; `key` is what it is found by, undefined for the one of all others. */
export function makeTarget(
  labels: LabelSet,
  key: TargetKey | undefined,
  naming: Naming,
  jobName = '',
): Target {
  const own = labels.get('service_name') ?? '';
  const serviceName = own === '' ? (naming.infer(labels) ?? naming.fallback) : own;
  const kept = new Map(
    [...labels].filter(([name, value]) => value !== '' && (!name.startsWith('__') || name === '__name__')),
  );
  kept.set('service_name', serviceName);
  if (jobName !== '') kept.set('job', jobName);
  if (key?.kind === 'pid') kept.set('__process_pid__', String(key.pid));
  if (key?.kind === 'container') kept.set('__container_id__', key.id);
  return { labels: kept, serviceName, options: optionsOf(labels) };
}

function optionsOf(labels: LabelSet): TargetOptions {
  const flag = (name: string): boolean | undefined => {
    const value = labels.get(OPTION_PREFIX + name);
    return value === undefined || value === '' ? undefined : value === 'true';
  };
  const collectKernel = flag('collect_kernel');
  const pythonEnabled = flag('python_enabled');
  const pythonFullFilePath = flag('python_full_file_path');
  const demangle = labels.get(`${OPTION_PREFIX}demangle`) ?? '';
  return {
    ...(collectKernel === undefined ? {} : { collectKernel }),
    ...(pythonEnabled === undefined ? {} : { pythonEnabled }),
    ...(pythonFullFilePath === undefined ? {} : { pythonFullFilePath }),
    ...(demangle === '' ? {} : { demangle: demangleMode(demangle) }),
  };
}

/** The mode that a text names; what is none is taken for `full`, as the agents do. */
export function demangleMode(text: string): DemangleMode {
  return text === 'none' || text === 'simplified' || text === 'templates' ? text : 'full';
}

/** Options of the agents that a target can ask for and that have no effect here. */
const INACTIVE_OPTIONS: ReadonlyMap<string, string> = new Map(
  Object.entries({
    go_table_fallback: 'functions of Go programs are always looked up in all their tables',
    python_bpf_debug_log: 'there is no log of the kernel program: see verbose_mode',
    python_bpf_error_log: 'there is no log of the kernel program: see verbose_mode',
  }),
);

/** The option labels of a target that have no effect, with the reason. */
export function inactiveOptions(labels: LabelSet): Record<string, string> {
  const found = [...labels.keys()]
    .filter((name) => name.startsWith(OPTION_PREFIX))
    .map((name) => [name, INACTIVE_OPTIONS.get(name.slice(OPTION_PREFIX.length))] as const)
    .filter((entry): entry is readonly [string, string] => entry[1] !== undefined);
  return Object.fromEntries(found);
}
