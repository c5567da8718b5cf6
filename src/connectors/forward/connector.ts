// SPDX-License-Identifier: Apache-2.0
import type { Connector } from '../../component/component.ts';
import type { ProfilesConsumer } from '../../consumer/consumer.ts';

/** Hands every batch to `next` as it is, and `next`'s outcome back. */
export function forwardConnector(next: ProfilesConsumer): Connector {
  return {
    start: () => Promise.resolve(),
    shutdown: () => Promise.resolve(),
    consumeProfiles: (batch, signal) => next.consumeProfiles(batch, signal),
  };
}
