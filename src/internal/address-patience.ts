// SPDX-License-Identifier: Apache-2.0
import { setDefaultAutoSelectFamilyAttemptTimeout } from 'node:net';

/** A first packet that is lost is sent again after a second. */
const ATTEMPT_MS = 1_500;

/**
 * How long a name's address has to answer before the next one is tried, in the whole process. Node.js gives each but
 * the last 250 ms and does not come back to it: too few for a distant server, or while the event loop is busy, and where
 * the last address is one of IPv6 that leads nowhere there is then no connection at all.
 */
export function giveAddressesTime(): void {
  setDefaultAutoSelectFamilyAttemptTimeout(ATTEMPT_MS);
}
