// SPDX-License-Identifier: Apache-2.0
import type { ProfilesConsumer } from '../consumer/consumer.ts';
import type { ResourceProfiles } from '../pdata/profiles-batch.ts';
import type { Component, Processor } from './component.ts';

const NOTHING_TO_DO: Component = {
  start: () => Promise.resolve(),
  shutdown: () => Promise.resolve(),
};

/**
 * A processor that looks at resources alone: `edit` returns the resource, a changed one, or undefined
 * to drop it (counting that is its business). A batch that is left empty is not passed on.
 */
export function resourceProcessor(
  next: ProfilesConsumer,
  edit: (resource: ResourceProfiles) => ResourceProfiles | undefined,
  lifecycle: Component = NOTHING_TO_DO,
): Processor {
  return {
    start: (host, signal) => lifecycle.start(host, signal),
    shutdown: (deadline) => lifecycle.shutdown(deadline),
    async consumeProfiles(batch, signal) {
      const edited = batch.mapResources(edit);
      if (edited.resources.length > 0 || batch.resources.length === 0)
        await next.consumeProfiles(edited, signal);
    },
  };
}
