// SPDX-License-Identifier: Apache-2.0
import type { FakeObject } from './fake-kubernetes.ts';

/** Ids as containerd gives them. */
export const CONTAINER = {
  cart: '4c2a1b0f6f0c4b7e9d3a5e8f7a6b5c4d3e2f1a0b9c8d7e6f5a4b3c2d1e0f9a8b',
  cartBefore: 'aa2a1b0f6f0c4b7e9d3a5e8f7a6b5c4d3e2f1a0b9c8d7e6f5a4b3c2d1e0f9a8b',
  proxy: '5d3b2c1a7a1d5c8f0e4b6f9a8b7c6d5e4f3a2b1c0d9e8f7a6b5c4d3e2f1a0b9c',
  migrate: '6e4c3d2b8b2e6d9a1f5c7a0b9c8d7e6f5a4b3c2d1e0f9a8b7c6d5e4f3a2b1c0d',
  debug: '7f5d4e3c9c3f7e0b2a6d8b1c0d9e8f7a6b5c4d3e2f1a0b9c8d7e6f5a4b3c2d1e',
};

const DIGEST = 'sha256:0d17b565c37bcbd895e9d92315a05c1c3c9a29f762b011a10c54a66cd53c9b31';

interface PodChanges {
  readonly name?: string;
  readonly uid?: string;
  readonly metadata?: Record<string, unknown>;
  readonly spec?: Record<string, unknown>;
  readonly status?: Record<string, unknown>;
}

/** A pod of a Deployment as a 1.29 API server shows it, with an init, a sidecar and an ephemeral container. */
export function cartPod(changes: PodChanges = {}): FakeObject {
  const name = changes.name ?? 'cart-7d4b9c6f8d-x2x9z';
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      generateName: 'cart-7d4b9c6f8d-',
      namespace: 'shop',
      uid: changes.uid ?? '0f8c1e55-8f0e-4a52-9c7e-2f5b8f6b0a11',
      creationTimestamp: '2026-03-01T10:00:00Z',
      labels: {
        app: 'cart',
        'app.kubernetes.io/name': 'cart',
        'app.kubernetes.io/version': '2.4.1',
        'pod-template-hash': '7d4b9c6f8d',
      },
      annotations: {
        'kubectl.kubernetes.io/restartedAt': '2026-03-01T09:59:58Z',
        'resource.opentelemetry.io/team': 'checkout',
      },
      ownerReferences: [
        {
          apiVersion: 'apps/v1',
          kind: 'ReplicaSet',
          name: 'cart-7d4b9c6f8d',
          uid: 'b1c2d3e4-0000-4000-8000-000000000001',
          controller: true,
          blockOwnerDeletion: true,
        },
      ],
      managedFields: [{ manager: 'kubelet', operation: 'Update', apiVersion: 'v1' }],
      ...changes.metadata,
    },
    spec: {
      nodeName: 'worker-1',
      serviceAccountName: 'default',
      initContainers: [{ name: 'migrate', image: 'registry.example.org:5000/shop/migrate:9' }],
      containers: [
        { name: 'cart', image: `ghcr.io/shop/cart:2.4.1@${DIGEST}`, resources: { limits: { cpu: '1' } } },
        { name: 'istio-proxy', image: 'docker.io/istio/proxyv2' },
      ],
      ephemeralContainers: [{ name: 'debugger', image: 'busybox' }],
      ...changes.spec,
    },
    status: {
      phase: 'Running',
      hostIP: '172.18.0.2',
      podIP: '10.244.1.17',
      podIPs: [{ ip: '10.244.1.17' }, { ip: 'fd00:10:244:1::11' }],
      startTime: '2026-03-01T10:00:01Z',
      containerStatuses: [
        {
          name: 'cart',
          containerID: `containerd://${CONTAINER.cart}`,
          image: 'ghcr.io/shop/cart:2.4.1',
          imageID: `ghcr.io/shop/cart@${DIGEST}`,
          restartCount: 3,
          ready: true,
          state: { running: { startedAt: '2026-03-01T11:00:00Z' } },
          lastState: { terminated: { containerID: `containerd://${CONTAINER.cartBefore}`, exitCode: 137 } },
        },
        { name: 'istio-proxy', containerID: `containerd://${CONTAINER.proxy}`, imageID: '', restartCount: 0 },
      ],
      initContainerStatuses: [
        { name: 'migrate', containerID: `cri-o://${CONTAINER.migrate}`, imageID: '', restartCount: 0 },
      ],
      ephemeralContainerStatuses: [
        { name: 'debugger', containerID: `containerd://${CONTAINER.debug}`, imageID: '', restartCount: 0 },
      ],
      ...changes.status,
    },
  };
}

/** An object of which only metadata counts. */
export function plainObject(name: string, uid: string, metadata: Record<string, unknown> = {}): FakeObject {
  return { metadata: { name, uid, ...metadata } };
}

export function ownedBy(kind: string, name: string, uid: string): Record<string, unknown> {
  return { ownerReferences: [{ kind, name, uid, controller: true }] };
}
