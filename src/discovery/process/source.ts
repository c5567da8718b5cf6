// SPDX-License-Identifier: Apache-2.0
import { sleep } from '../../internal/clock.ts';
import type { ProcessEvents } from '../../native/process-changes.ts';
import { openProcessEvents } from '../../native/process-events.ts';
import type { LabelSet } from '../../relabel/relabel.ts';
import type { SourceContext, TargetGroup, TargetSource } from '../target.ts';
import type { ProcessSdConfig } from './config.ts';
import { ContainerJoin } from './container-join.ts';
import { Bell, EventFollower } from './event-follower.ts';
import { type ProcessFolders, ProcessTable } from './process-table.ts';

/** What a source has of its host; a test gives its own. */
interface ProcessHost {
  readonly folders: ProcessFolders;
  /** Rejects where the kernel does not tell of processes. */
  openEvents(proc: string, ready: () => void): Promise<ProcessEvents>;
}

const HOST: ProcessHost = {
  folders: { proc: '/proc', passwd: '/etc/passwd' },
  openEvents: openProcessEvents,
};

/** Discovers containers to join processes with. */
type OpenContainers = (onTargets: (targets: readonly LabelSet[]) => void) => {
  start(): Promise<void>;
  stop(): Promise<void>;
};

/**
 * The source of one entry of process_sd_configs. The kernel tells of processes that begin and end; where it does
 * not, /proc is listed again and again, and of it only what is new is read.
 */
export function processSource(
  config: ProcessSdConfig,
  context: SourceContext,
  openContainers?: OpenContainers,
  host: ProcessHost = HOST,
): TargetSource {
  return {
    async run(update, signal) {
      const join = new ContainerJoin();
      const containers = openContainers?.((targets) => {
        const groups = join.containers(targets);
        try {
          if (groups.length > 0) update(groups);
        } catch (error) {
          context.failed(error);
        }
      });
      await containers?.start();
      try {
        const table = new ProcessTable(config.discover_config, context.clock, host.folders, (pid, why) =>
          context.leftOut('hanging', `arguments of process ${pid}`, why),
        );
        const tell = (groups: readonly TargetGroup[]): void => update(join.processes(groups));
        const why = await followEvents(config, context, table, host, tell, signal);
        if (signal.aborted) return;
        context.learns('polling', why);
        await poll(config, context, table, tell, signal);
      } finally {
        await containers?.stop();
      }
    },
  };
}

/** Follows what the kernel tells until `signal` aborts; where it tells nothing, resolves to why. Never rejects. */
async function followEvents(
  config: ProcessSdConfig,
  context: SourceContext,
  table: ProcessTable,
  { folders, openEvents }: ProcessHost,
  update: (groups: readonly TargetGroup[]) => void,
  signal: AbortSignal,
): Promise<string> {
  const bell = new Bell();
  let events: ProcessEvents;
  try {
    events = await openEvents(folders.proc, () => bell.ring());
  } catch (error) {
    return messageOf(error);
  }
  try {
    if (!signal.aborted) context.learns('events');
    const follower = new EventFollower({ table, events, bell, config, context, update });
    return messageOf(await follower.run(signal));
  } finally {
    events.close();
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Looks at the processes again and again until `signal` aborts; never rejects. */
async function poll(
  config: ProcessSdConfig,
  context: SourceContext,
  table: ProcessTable,
  update: (groups: readonly TargetGroup[]) => void,
  signal: AbortSignal,
): Promise<void> {
  const { clock } = context;
  let refreshedMs = clock.elapsed();
  let isFirst = true;
  while (!signal.aborted) {
    const nowMs = clock.elapsed();
    const isDue = nowMs - refreshedMs >= config.refresh_interval;
    if (isDue) refreshedMs = nowMs;
    try {
      const groups = await table.look(isDue || isFirst, signal);
      if (signal.aborted) return;
      if (isFirst || isDue || groups.length > 0) update(groups);
      isFirst = false;
    } catch (error) {
      context.failed(error);
    }
    // Rejects only where it is aborted, which the loop sees.
    await sleep(clock, config.poll_interval, signal).catch(() => undefined);
  }
}
