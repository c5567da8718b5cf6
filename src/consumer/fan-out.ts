// SPDX-License-Identifier: Apache-2.0
import type { ProfilesBatch } from '../pdata/profiles-batch.ts';
import { PermanentError, type ProfilesConsumer } from './consumer.ts';

/**
 * Gives every batch to all targets at the same time. Batches are immutable, so nothing is cloned. All
 * targets are called even when one fails. Where one failed and another took the batch, the failure is
 * permanent for the sender: a retry would deliver twice at the target that has it.
 */
export function fanOut(targets: readonly ProfilesConsumer[]): ProfilesConsumer {
  const [only] = targets;
  if (only !== undefined && targets.length === 1) return only;
  return {
    async consumeProfiles(batch: ProfilesBatch, signal: AbortSignal): Promise<void> {
      const results = await Promise.allSettled(targets.map((t) => t.consumeProfiles(batch, signal)));
      const errors = results.flatMap((r) => (r.status === 'rejected' ? [r.reason as unknown] : []));
      if (errors.length === 0) return;
      const cause =
        errors.length === 1 ? errors[0] : new AggregateError(errors, errors.map(String).join('; '));
      if (errors.length < targets.length) {
        throw new PermanentError(`${errors.length} of ${targets.length} consumers failed: ${String(cause)}`, {
          cause,
        });
      }
      throw cause;
    },
  };
}
