// SPDX-License-Identifier: Apache-2.0
import type { ProfilesBatch } from '../pdata/profiles-batch.ts';
import { isPermanent, PermanentError, type ProfilesConsumer, RetryableError } from './consumer.ts';

/**
 * Gives every batch to all targets at the same time. Batches are immutable, so nothing is cloned. All
 * targets are called even when one fails or throws. Where one failed and another took the batch, the
 * failure is permanent for the sender: a retry would deliver twice at the target that has it. Where all
 * failed and may succeed later, so may the whole, not before the last of them.
 */
export function fanOut(targets: readonly ProfilesConsumer[]): ProfilesConsumer {
  const [only] = targets;
  if (only !== undefined && targets.length === 1) return only;
  return {
    async consumeProfiles(batch: ProfilesBatch, signal: AbortSignal): Promise<void> {
      // An async function of its own each: one that throws at once does not keep the batch from the others.
      const results = await Promise.allSettled(
        targets.map(async (target) => await target.consumeProfiles(batch, signal)),
      );
      const errors = results.flatMap((r) => (r.status === 'rejected' ? [r.reason as unknown] : []));
      if (errors.length === 0) return;
      const cause = joined(errors);
      if (errors.length < targets.length) {
        throw new PermanentError(`${errors.length} of ${targets.length} consumers failed: ${String(cause)}`, {
          cause,
        });
      }
      throw cause;
    },
  };
}

/** One error for several; RetryableError with the longest wait where one was named and none is permanent. */
function joined(errors: readonly unknown[]): unknown {
  if (errors.length === 1) return errors[0];
  const all = new AggregateError(errors, errors.map(String).join('; '));
  const waits = errors.flatMap((e) => (e instanceof RetryableError ? (e.retryAfterMs ?? []) : []));
  if (waits.length === 0 || isPermanent(all)) return all;
  return new RetryableError(all.message, { cause: all, retryAfterMs: Math.max(...waits) });
}
