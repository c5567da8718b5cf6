// SPDX-License-Identifier: Apache-2.0
import { setMaxListeners } from 'node:events';
import type { Component, Host } from '../component/component.ts';
import type { ServiceView } from '../component/service-view.ts';
import { orAborted } from '../internal/abort.ts';
import { type Clock, sleep } from '../internal/clock.ts';
import type { Graph } from './graph.ts';
import { alongFlow } from './levels.ts';
import type { Node } from './node.ts';
import type { StatusBoard } from './status.ts';

/** What a component may take beyond the deadline to count what it could not deliver. */
const GRACE_MS = 500;
/** Receivers only end their requests; the rest of the time belongs to whoever still holds data. */
const RECEIVERS_MS = 5_000;

/** The graph's components in the order in which they start: what others send to comes first. */
export function startOrder(graph: Graph): readonly Node[] {
  return [
    ...graph.extensions,
    ...graph.exporters,
    ...graph.levels
      .toReversed()
      .flatMap(({ processors, connectors }) => [
        ...connectors,
        ...processors.flatMap((chain) => chain.toReversed()),
      ]),
    ...graph.receivers,
  ];
}

/** What a start needs to know. */
export interface StartOptions {
  readonly status: StatusBoard;
  /** What components are shown of the service. */
  readonly service: ServiceView;
  readonly signal: AbortSignal;
  /** Extensions that components see; those that start are added. */
  readonly extensions: Map<string, Component>;
  /** Called before each start. */
  onTouched(node: Node): void;
}

/**
 * Starts components one after the other. Rejects with the name of the component that failed, or with the
 * signal's reason as soon as it aborts.
 */
export async function startNodes(nodes: readonly Node[], options: StartOptions): Promise<void> {
  const { extensions, onTouched, service, signal, status } = options;
  for (const node of nodes) {
    signal.throwIfAborted();
    onTouched(node);
    status.starting(node);
    const host: Host = { extensions, service, reportStatus: (event) => status.report(node, event) };
    try {
      await orAborted(node.component.start(host, signal), signal);
      status.started(node);
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      const scope = node.kind === 'extension' ? 'extensions' : 'pipelines';
      throw new Error(`cannot start ${scope}: failed to start ${node.label}: ${why}`, { cause });
    }
    if (node.kind === 'extension') extensions.set(node.id.text, node.component);
  }
}

/** What a stop needs to know. */
export interface StopOptions {
  /** Components whose start was tried; the others are left alone. */
  readonly touched: ReadonlySet<Node>;
  readonly deadline: AbortSignal;
  readonly clock: Clock;
}

/**
 * Stops receivers, then processors and connectors in the direction of flow, then exporters, so that each
 * can still hand on what it holds. Gives back what went wrong. A component that does not come to an end soon after the
 * deadline is named and left.
 */
export async function stopPipelines(graph: Graph, options: StopOptions): Promise<Error[]> {
  const errors: Error[] = [];
  const stop = async (node: Node): Promise<void> => void errors.push(...(await stopNode(node, options)));
  errors.push(...(await stopReceivers(graph.receivers, options)));
  await alongFlow(graph.levels, stop);
  await Promise.all(graph.exporters.map(stop));
  return errors;
}

/** Stops receivers, which get a part of the time only. */
export async function stopReceivers(nodes: readonly Node[], options: StopOptions): Promise<Error[]> {
  const early = new AbortController();
  const timer = options.clock.setTimeout(
    () => early.abort(new Error(`receivers have ${RECEIVERS_MS} ms to end their requests`)),
    RECEIVERS_MS,
  );
  const deadline = withoutListenerLimit(AbortSignal.any([options.deadline, early.signal]));
  const errors = await Promise.all(nodes.map((node) => stopNode(node, { ...options, deadline })));
  timer.cancel();
  return errors.flat();
}

/** Stops extensions in reverse order. */
export async function stopExtensions(graph: Graph, options: StopOptions): Promise<Error[]> {
  const errors: Error[] = [];
  for (const node of graph.extensions.toReversed()) errors.push(...(await stopNode(node, options)));
  return errors;
}

/** Stops one component; gives back what went wrong, and says so of one that is left behind. */
export async function stopNode(node: Node, { touched, deadline, clock }: StopOptions): Promise<Error[]> {
  if (!touched.has(node)) return [];
  const finished = new AbortController();
  const done = node.component.shutdown(deadline).then(
    () => [],
    (cause: unknown) => {
      const why = cause instanceof Error ? cause.message : String(cause);
      return [new Error(`failed to shut down ${node.label}: ${why}`, { cause })];
    },
  );
  const late = overdue(deadline, finished.signal, clock).then((isLate) =>
    isLate ? [new Error(`${node.label} did not shut down before the deadline and was left behind`)] : [],
  );
  const errors = await Promise.race([done, late]);
  finished.abort();
  return errors;
}

/** True once the deadline and the grace after it are over; false when `finished` aborts before. */
async function overdue(deadline: AbortSignal, finished: AbortSignal, clock: Clock): Promise<boolean> {
  try {
    await aborted(AbortSignal.any([deadline, finished]));
    await sleep(clock, GRACE_MS, finished);
    return true;
  } catch {
    return false;
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}

/** Every component listens to these signals; Node would take more than ten listeners for a leak. */
export function withoutListenerLimit(signal: AbortSignal): AbortSignal {
  setMaxListeners(0, signal);
  return signal;
}
