// SPDX-License-Identifier: Apache-2.0

/**
 * The `skip` of a test that needs more than every host gives: the reason, which the runner prints, where
 * it is missing; false, so that the test runs and fails, where it is there or this is CI.
 */
export function leftOutUnless(isThere: boolean, reason: string): string | false {
  const isCi = (process.env['CI'] ?? '') !== '';
  return isThere || isCi ? false : reason;
}

/** For tests that load eBPF programs. */
export const WITHOUT_ROOT = leftOutUnless(process.getuid?.() === 0, 'loading eBPF programs needs root');
