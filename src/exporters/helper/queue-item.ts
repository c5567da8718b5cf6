// SPDX-License-Identifier: Apache-2.0
import type { Context } from '@opentelemetry/api';
import type { ClientMetadata } from '../../component/client-metadata.ts';
import type { StoredRecord } from '../../component/storage.ts';
import { PermanentError } from '../../consumer/consumer.ts';
import type { ProfilesBatch } from '../../pdata/profiles-batch.ts';
import type { Weight } from './bounded-queue.ts';
import type { Quantity } from './delivery.ts';
import { KeptError } from './sender.ts';

/** A batch that was accepted, until its outcome is known. */
export interface Item {
  /** Undefined where it is on the disk only. */
  readonly batch: ProfilesBatch | undefined;
  /** Where it is on the disk. */
  readonly record: StoredRecord | undefined;
  readonly acceptedMs: number;
  readonly weight: Weight;
  readonly quantity: Quantity;
  /** Of its client, in the names that sending needs; of what is on the disk it is known once the batch was read. */
  metadata: ClientMetadata | undefined;
  readonly done: ((error?: unknown) => void) | undefined;
  /** The trace in which it was accepted; an earlier run's is not known. */
  readonly origin: Context | undefined;
  /** Samples whose outcome is open, those that were not delivered, and the error of these. */
  openSamples: number;
  failedSamples: number;
  error: unknown;
}

/** The traces in which they were accepted. */
export const originsOf = (runs: readonly { readonly owner: Item }[]): Context[] =>
  runs.flatMap(({ owner }) => owner.origin ?? []);

/** Why not all was delivered; undefined where it was. Whoever sends again what was delivered in part would deliver that twice. */
export function outcomeOf({ error, failedSamples, quantity }: Item): unknown {
  if (error === undefined || error instanceof KeptError || failedSamples === quantity.samples) return error;
  const partly = `${failedSamples} of ${quantity.samples} samples were refused after the others were taken`;
  const why = error instanceof Error ? error.message : 'the destination refused them';
  return new PermanentError(`${partly}: ${why}`, { cause: error });
}
