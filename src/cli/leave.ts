// SPDX-License-Identifier: Apache-2.0

/** Nobody waits longer for what is left, which has nobody whom it could tell. */
const LEFT_OVER_MS = 250;

/**
 * Ends the process with an exit code once nothing keeps it any more, or at once where that takes long: a socket that is
 * being connected to a host that drops packets stays for 10 s after its client has gone, and with it the process did.
 */
export function leave(code: number): void {
  process.exitCode = code;
  setTimeout(() => process.exit(), LEFT_OVER_MS).unref();
}
