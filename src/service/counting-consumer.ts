// SPDX-License-Identifier: Apache-2.0
import type { Settings } from '../component/component.ts';
import { withSpan } from '../component/spans.ts';
import type { Counter, Meter } from '../component/telemetry.ts';
import type { ProfilesConsumer } from '../consumer/consumer.ts';
import type { ProfilesBatch } from '../pdata/profiles-batch.ts';

/** Counts a batch twice: in sample records, as the Collector does, and in the sampled events they stand for. */
interface BatchCounter {
  add(batch: ProfilesBatch): void;
}

function batchCounter(records: Counter, events: Counter): BatchCounter {
  return {
    add(batch) {
      records.add(batch.sampleCount);
      events.add(batch.eventCount);
    },
  };
}

/** Counts what a receiver got rid of and what the pipelines refused, and traces each batch. */
export function countReceived({ meter, tracer, id }: Settings, next: ProfilesConsumer): ProfilesConsumer {
  const accepted = batchCounter(
    meter.counter('receiver_accepted_profile_samples', 'Number of profile samples pushed into the pipeline'),
    meter.counter('receiver_accepted_profile_events', 'Number of sampled events pushed into the pipeline'),
  );
  const refused = batchCounter(
    meter.counter('receiver_refused_profile_samples', 'Number of profile samples the pipeline refused'),
    meter.counter('receiver_refused_profile_events', 'Number of sampled events the pipeline refused'),
  );
  return {
    async consumeProfiles(batch, signal) {
      try {
        const attributes = { receiver: id.text, items: batch.sampleCount };
        await withSpan(tracer, `receiver/${id.text}/ProfilesReceived`, attributes, () =>
          next.consumeProfiles(batch, signal),
        );
      } catch (error) {
        refused.add(batch);
        throw error;
      }
      accepted.add(batch);
    },
  };
}

/** Counts what is offered to a component (`incoming`) or what it offers to the next consumer (`outgoing`). */
export function countItems(
  kind: 'processor' | 'connector',
  direction: 'incoming' | 'outgoing',
  meter: Meter,
  next: ProfilesConsumer,
): ProfilesConsumer {
  const what = direction === 'incoming' ? `passed to the ${kind}` : `emitted from the ${kind}`;
  const items = batchCounter(
    meter.counter(`${kind}_${direction}_items`, `Number of items ${what}`),
    meter.counter(`${kind}_${direction}_profile_events`, `Number of sampled events ${what}`),
  );
  return {
    consumeProfiles(batch, signal) {
      items.add(batch);
      return next.consumeProfiles(batch, signal);
    },
  };
}

/** Puts the work of a processor or connector, and of what comes after it, into a span. */
export function traceItems(
  kind: 'processor' | 'connector',
  { tracer, id }: Pick<Settings, 'tracer' | 'id'>,
  next: ProfilesConsumer,
): ProfilesConsumer {
  const name = `${kind}/${id.text}/profiles`;
  return {
    consumeProfiles(batch, signal) {
      const attributes = { [kind]: id.text, items: batch.sampleCount };
      return withSpan(tracer, name, attributes, () => next.consumeProfiles(batch, signal));
    },
  };
}
