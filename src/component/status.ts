// SPDX-License-Identifier: Apache-2.0

/** What a component tells of its health; `error` goes with everything but ok. */
export interface StatusEvent {
  readonly status: 'ok' | 'recoverable_error' | 'permanent_error' | 'fatal_error';
  readonly error?: Error;
}
