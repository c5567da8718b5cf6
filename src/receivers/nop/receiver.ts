// SPDX-License-Identifier: Apache-2.0
import type { Receiver } from '../../component/component.ts';

/** Receives nothing. */
export function createNopReceiver(): Receiver {
  return { start: () => Promise.resolve(), shutdown: () => Promise.resolve() };
}
