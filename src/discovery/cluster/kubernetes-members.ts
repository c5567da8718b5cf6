// SPDX-License-Identifier: Apache-2.0
import { type Clock, sleep } from '../../internal/clock.ts';
import { KubernetesApiClient } from '../kubernetes/api-client.ts';
import { connect, ownNamespace, type PodSurroundings } from '../kubernetes/connect.ts';
import { messageOf } from '../kubernetes/connection.ts';
import { type JsonObject, listAt, objectAt, textAt } from '../kubernetes/json.ts';
import { KindStore } from '../kubernetes/kind-store.ts';
import { queriesFor } from '../kubernetes/kinds.ts';
import { watchPlan } from '../kubernetes/watch-plan.ts';
import type { KubernetesMembersConfig } from './config.ts';
import type { MemberSource } from './member-source.ts';

const REQUESTS_PER_SECOND = 5;
const REQUESTS_BURST = 10;
/** Before the API server is looked for again where it, or the service account, was not found. */
const RETRY_MS = 30_000;

/** Addresses of the ready endpoints of a service, without port. */
export function kubernetesMembers(
  config: KubernetesMembersConfig,
  clock: Clock,
  userAgent: string,
  pod: PodSurroundings,
): MemberSource {
  return {
    async run(update, failed, signal) {
      while (!signal.aborted) {
        try {
          await watchMembers(config, clock, userAgent, pod, update, failed, signal);
        } catch (error) {
          if (!signal.aborted)
            failed(new Error(`cannot reach the API server: ${messageOf(error)}`, { cause: error }));
        }
        // Rejects only where it is aborted, which the loop sees.
        await sleep(clock, RETRY_MS, signal).catch(() => undefined);
      }
    },
  };
}

async function watchMembers(
  config: KubernetesMembersConfig,
  clock: Clock,
  userAgent: string,
  pod: PodSurroundings,
  update: (members: readonly string[]) => void,
  failed: (error: Error) => void,
  signal: AbortSignal,
): Promise<void> {
  const connection = await connect(config, pod);
  const namespace = config.namespace === '' ? await ownNamespace(pod) : config.namespace;
  const client = new KubernetesApiClient({
    connection,
    userAgent,
    perSecond: REQUESTS_PER_SECOND,
    burst: REQUESTS_BURST,
    clock,
  });
  const slices = new Map<string, Slice>();
  let isSynced = false;
  let isTelling = false;
  // What a list changes is told together: members that come and go within it would move targets for nothing.
  const tell = (): void => {
    if (!isSynced || isTelling) return;
    isTelling = true;
    queueMicrotask(() => {
      isTelling = false;
      if (!signal.aborted) update(membersOf([...slices.values()]));
    });
  };
  const store = new KindStore<Slice>(false, (_change, key, slice) => {
    if (slice === undefined) slices.delete(key);
    else slices.set(key, slice);
    tell();
  });
  const plan = watchPlan('endpointslice', false, readSlice, store, {
    unreadable: (_kind, name, error) =>
      failed(new Error(`cannot read EndpointSlice "${name}"`, { cause: error })),
  });
  const selector = { label: `kubernetes.io/service-name=${config.service}`, field: '' };
  const [query] = queriesFor('endpointslice', [namespace], selector, false);
  if (query === undefined) throw new Error('there is nothing to ask for');
  const watch = plan.watch({
    client,
    query,
    clock,
    onError: (error) =>
      failed(new Error(`cannot watch ${query.path}: ${messageOf(error)}`, { cause: error })),
    onRecovery: tell,
  });
  void watch.synced.then(() => {
    isSynced = true;
    tell();
  });
  try {
    await watch.run(signal);
  } finally {
    await client.close();
  }
}

/** What is kept of an EndpointSlice. */
interface Slice {
  readonly isIpv6: boolean;
  readonly addresses: readonly string[];
}

function readSlice(slice: JsonObject): Slice {
  return { isIpv6: textAt(slice, 'addressType') === 'IPv6', addresses: readyAddresses(slice) };
}

/** Of a service with both families each pod is in a slice of each: one member, by the address that all take. */
function membersOf(slices: readonly Slice[]): readonly string[] {
  const others = slices.filter(({ isIpv6 }) => !isIpv6);
  return (others.length > 0 ? others : slices).flatMap(({ addresses }) => addresses);
}

/** Addresses that are not known to be unready; a service may publish them before they are. */
function readyAddresses(slice: JsonObject): readonly string[] {
  return listAt(slice, 'endpoints').flatMap((endpoint) => {
    const addresses: readonly unknown[] = Array.isArray(endpoint.addresses) ? endpoint.addresses : [];
    if (objectAt(endpoint, 'conditions').ready === false) return [];
    return addresses.filter((address): address is string => typeof address === 'string');
  });
}
