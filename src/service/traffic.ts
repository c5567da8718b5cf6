// SPDX-License-Identifier: Apache-2.0
import type { Traffic } from '../component/service-view.ts';
import type { ProfilesConsumer } from '../consumer/consumer.ts';

/** Counts what comes to a pipeline. */
export class TrafficCount implements Traffic {
  batches = 0;
  samples = 0;
  events = 0;
  failedBatches = 0;
  failedSamples = 0;

  /** `next` with what is offered to it counted here. */
  before(next: ProfilesConsumer): ProfilesConsumer {
    return {
      consumeProfiles: async (batch, signal) => {
        this.batches++;
        this.samples += batch.sampleCount;
        this.events += batch.eventCount;
        try {
          await next.consumeProfiles(batch, signal);
        } catch (error) {
          this.failedBatches++;
          this.failedSamples += batch.sampleCount;
          throw error;
        }
      },
    };
  }
}
