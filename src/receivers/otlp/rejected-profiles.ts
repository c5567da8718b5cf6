// SPDX-License-Identifier: Apache-2.0
import type { Settings } from '../../component/component.ts';
import type { Counter, Logger } from '../../component/telemetry.ts';
import type { Clock } from '../../internal/clock.ts';
import type { Rejected } from './response.ts';

/** What comes sooner after a line is summed up in the next one. */
const REPEAT_AFTER_MS = 60_000;

/** Counts profiles that were refused while the rest of their request was taken, and tells of them. */
export class RejectedProfiles {
  readonly #counter: Counter;
  readonly #logger: Logger;
  readonly #clock: Clock;
  #lastMs = Number.NEGATIVE_INFINITY;
  #requests = 0;
  #profiles = 0;

  constructor({ logger, meter }: Settings, clock: Clock) {
    this.#logger = logger;
    this.#clock = clock;
    this.#counter = meter.counter(
      'receiver_rejected_profiles',
      'Number of profiles that were refused while the rest of their request was taken.',
      ['transport', 'reason'],
    );
  }

  add(transport: string, { profiles, message }: Rejected): void {
    this.#counter.add(profiles, { transport, reason: 'malformed' });
    this.#requests++;
    this.#profiles += profiles;
    if (this.#clock.now() - this.#lastMs < REPEAT_AFTER_MS) return;
    this.#logger.warn('refused malformed profiles of requests that were taken otherwise', {
      transport,
      reason: message,
      requests: this.#requests,
      profiles: this.#profiles,
    });
    this.#lastMs = this.#clock.now();
    this.#requests = 0;
    this.#profiles = 0;
  }
}
