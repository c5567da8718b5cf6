// SPDX-License-Identifier: Apache-2.0
import { readlinkSync } from 'node:fs';
import { loadAddon, NativeError } from './addon.ts';
import { FIRST_NAMESPACES } from './host-facts.ts';
import type { ProcessEventOptions, ProcessEvents } from './process-changes.ts';

/**
 * Subscribes to the kernel's proc connector. `ready` is called when there is something to take: once, until it is taken.
 * `proc` is the folder whose numbers the events must tell. Rejects with an Error that says why where they cannot be had:
 * no addon, no privilege, another namespace than the host's first ones, a kernel without it.
 */
export async function openProcessEvents(
  proc: string,
  ready: () => void,
  options: Partial<ProcessEventOptions> = {},
): Promise<ProcessEvents> {
  const ownPid = Number(linkTarget(`${proc}/self`));
  if (!Number.isSafeInteger(ownPid)) throw new NativeError(`${proc} does not say which process this is`);
  for (const [kind, first] of Object.entries(FIRST_NAMESPACES)) {
    const here = linkTarget(`${proc}/self/ns/${kind}`);
    if (here !== undefined && here !== first)
      throw new NativeError(`the kernel tells of processes in the host's first ${kind} namespace only`);
  }
  return await loadAddon().openProcessEvents(
    { ownPid, networkNamespace: `${proc}/1/ns/net`, ...options },
    ready,
  );
}

function linkTarget(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    // Not there, or not allowed: the kernel's answer decides.
    return undefined;
  }
}
