// SPDX-License-Identifier: Apache-2.0
import { type Attributes, getText } from '../../pdata/attributes.ts';

/** Where samples come from, as the service list shows it. */
export interface Origin {
  readonly service: string;
  readonly process: string;
}

const MAX_LENGTH = 256;

/**
 * Names the service and the process of a resource. A service without `service.name` is called after its
 * executable, container or pod, so that a host profile reads as a list of programs. The process is
 * `name:pid@place`; its parts are left out where the resource does not tell them.
 */
export function originOf(attributes: Attributes): Origin {
  const text = (key: string): string => (getText(attributes, key) ?? '').slice(0, MAX_LENGTH);
  const executable = text('process.executable.name') || baseName(text('process.executable.path'));
  const container = text('container.id').slice(0, 12);
  const namespace = text('service.namespace');
  const named = text('service.name');
  const known = named !== '' && !named.startsWith('unknown_service');
  const fallback = executable || text('container.name') || text('k8s.pod.name') || container || 'unknown';
  const service = known ? (namespace === '' ? named : `${namespace}/${named}`) : fallback;
  const pid = text('process.pid');
  const place = [text('host.name'), text('k8s.pod.name') || text('container.name') || container]
    .filter(Boolean)
    .join('/');
  const name = executable || text('service.instance.id') || named || fallback;
  const process = `${name}${pid === '' ? '' : `:${pid}`}${place === '' ? '' : `@${place}`}`;
  return { service, process };
}

export function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}
