// SPDX-License-Identifier: Apache-2.0
import { formatClock, formatSpan, typeTitle } from './format.ts';
import type { PageState } from './url-state.ts';
import type { ServiceEntry, StatusDocument } from './wire.ts';

/** Why there is nothing to see and what would change that. */
export interface EmptyReason {
  readonly title: string;
  readonly detail: string;
  readonly action: 'show-all-time' | 'show-everything' | undefined;
}

/** Called when the selection has no weight. The first cause in the chain is named, not all of them. */
export function explainEmpty(
  status: StatusDocument,
  state: PageState,
  services: readonly ServiceEntry[],
): EmptyReason {
  if (status.batches === 0) {
    const blocked = status.notices.length > 0;
    return {
      title: blocked ? 'No profiles yet' : 'Waiting for the first profiles',
      detail: blocked
        ? 'This may be why:'
        : 'Nothing has reached this exporter yet. Profiles appear here as soon as a pipeline that ends in "viewer" receives them.',
      action: undefined,
    };
  }
  if (status.held.events === 0) {
    return {
      title: 'All profiles have aged out',
      detail: `The last ones came at ${formatClock(status.lastArrivalMs)}; ${formatSpan(status.retentionMs)} are kept.`,
      action: undefined,
    };
  }
  if (
    state.service !== undefined ||
    state.process !== undefined ||
    state.thread !== undefined ||
    state.type !== undefined
  ) {
    const chosen = [
      state.type === undefined ? '' : typeTitle(state.type),
      state.service ?? '',
      state.process ?? '',
      state.thread === undefined ? '' : `thread ${state.thread || '(unnamed)'}`,
    ].filter((part) => part !== '');
    const isHeld = state.service === undefined || services.some((entry) => entry.service === state.service);
    const where = isHeld
      ? 'nothing in this time range, while others have samples'
      : `no sample in the ${formatSpan(status.retentionMs)} that are kept`;
    return {
      title: 'No samples match this selection',
      detail: `${chosen.join(' · ')}: ${where}.`,
      action: isHeld && state.range.kind !== 'all' ? 'show-all-time' : 'show-everything',
    };
  }
  return {
    title: 'No samples in this time range',
    detail: `The newest ones came at ${formatClock(status.lastArrivalMs)}.`,
    action: 'show-all-time',
  };
}
