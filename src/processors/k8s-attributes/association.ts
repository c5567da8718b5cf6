// SPDX-License-Identifier: Apache-2.0
import { isIP } from 'node:net';
import { bareContainerId, type Pod } from '../../discovery/kubernetes/objects.ts';
import { type Attributes, getText } from '../../pdata/attributes.ts';
import type { Association } from './config.ts';

/**
 * What a resource and a pod are matched by: names of attributes and their values. Equal text, same
 * identity. A rule that asks for the connection has none: profiles carry no client address here.
 */
export type Identity = string;

/** Names of the attributes that identify, in order. */
export type Sources = readonly string[];

/**
 * Without rules: the order of the Collector, with the ids that profilers set before the host's name,
 * because some clouds name their nodes by address.
 */
const DEFAULT_RULES: readonly Sources[] = [
  ['k8s.pod.ip'],
  ['ip'],
  ['container.id'],
  ['k8s.pod.uid'],
  ['host.name'],
];

/** Attributes whose value is the address of a pod. */
const ADDRESSES: ReadonlySet<string> = new Set(['k8s.pod.ip', 'ip', 'host.name']);

/** The rules that can match profiles, as lists of attribute names. */
export function associationSources(rules: readonly Association[]): readonly Sources[] {
  if (rules.length === 0) return DEFAULT_RULES;
  return rules
    .filter((rule) => rule.sources.every(({ from }) => from === 'resource_attribute'))
    .map((rule) => rule.sources.map(({ name }) => name));
}

/** The first rule whose attributes are all there, with its values; a miss does not fall to the next rule. */
export function identify(
  attributes: Attributes,
  rules: readonly Sources[],
): { sources: Sources; identity: Identity } | undefined {
  for (const sources of rules) {
    const values = sources.map((name) => valueOf(attributes, name));
    if (values.every((value) => value !== '')) return { sources, identity: identityOf(sources, values) };
  }
  return undefined;
}

function valueOf(attributes: Attributes, name: string): string {
  const text = getText(attributes, name) ?? '';
  if (name === 'container.id') return bareContainerId(text);
  return name === 'host.name' && isIP(text) === 0 ? '' : text;
}

function identityOf(sources: Sources, values: readonly string[]): Identity {
  // One address is one pod, whichever attribute told it.
  const names = sources.map((name) => (ADDRESSES.has(name) ? 'k8s.pod.ip' : name));
  return JSON.stringify([names, values]);
}

/** Every identity under which a resource may ask for this pod. `attributes` are those the pod would set. */
export function identitiesOf(
  pod: Pod,
  attributes: ReadonlyMap<string, string>,
  rules: readonly Sources[],
): Identity[] {
  const identities: Identity[] = [];
  for (const sources of rules) {
    let tuples: string[][] = [[]];
    for (const name of sources) {
      const values = podValues(pod, attributes, name);
      tuples = tuples.flatMap((tuple) => values.map((value) => [...tuple, value]));
    }
    for (const values of tuples) identities.push(identityOf(sources, values));
  }
  return identities;
}

function podValues(pod: Pod, attributes: ReadonlyMap<string, string>, name: string): readonly string[] {
  if (ADDRESSES.has(name)) return pod.hostNetwork ? [] : pod.ips;
  switch (name) {
    case 'container.id':
      return pod.containers.flatMap((container) => container.runs.map((run) => run.id));
    case 'k8s.pod.uid':
      return present(pod.uid);
    case 'k8s.pod.name':
      return present(pod.name);
    case 'k8s.namespace.name':
      return present(pod.namespace);
    case 'k8s.container.name':
      return pod.containers.map((container) => container.name);
    default:
      return present(attributes.get(name) ?? '');
  }
}

const present = (value: string): string[] => (value === '' ? [] : [value]);
