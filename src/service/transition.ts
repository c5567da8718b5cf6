// SPDX-License-Identifier: Apache-2.0
import type { Component } from '../component/component.ts';
import type { ServiceView } from '../component/service-view.ts';
import type { Logger } from '../component/telemetry.ts';
import type { Clock } from '../internal/clock.ts';
import { allNodes, type Graph } from './graph.ts';
import { alongFlow } from './levels.ts';
import { startNodes, startOrder, stopNode, stopReceivers, withoutListenerLimit } from './lifecycle.ts';
import type { Node } from './node.ts';
import type { StatusBoard } from './status.ts';

/** What senders wait at most while a component that holds a port or a file makes room for its successor. */
const MAKE_ROOM_MS = 5_000;
/** What components may take to start while what was before them waits or is gone. */
const START_MS = 30_000;
/** What an exporter may take to deliver its queue while its successor works already. */
const DRAIN_MS = 25_000;

/** What a transition needs to know. */
export interface TransitionOptions {
  readonly status: StatusBoard;
  /** What components are shown of the service. */
  readonly service: ServiceView;
  readonly clock: Clock;
  /** Ends the start of components. */
  readonly signal: AbortSignal;
  /** Ends the patience with components that stop. */
  readonly impatient: AbortSignal;
  /** Components that run; kept up to date. */
  readonly touched: Set<Node>;
  /** Told of what does not stop as it should; asked anew each time, for a reload may change it. */
  readonly logger: () => Logger;
  /** Whether an exporter may run beside the one that takes its place. */
  readonly overlaps: (node: Node) => boolean;
  /** Whether everything that goes must have gone before anything starts. */
  readonly mustMakeRoom: boolean;
  /** Called where nothing but kept components runs, before the first start. */
  readonly whenRoomIsMade: () => Promise<void>;
}

/**
 * From one running graph to another. Components that are in both run on and lose nothing: what they send
 * while there is nobody to send to waits. Exporters that may overlap, processors and connectors are started
 * before their predecessors stop; whatever holds a port or a file stops before its successor starts.
 */
export class Transition {
  readonly #from: Graph;
  readonly #to: Graph;
  readonly #options: TransitionOptions;
  /** In both graphs. */
  readonly kept: ReadonlySet<Node>;
  /** Only in the old graph. */
  readonly removed: ReadonlySet<Node>;
  /** Only in the new graph. */
  readonly added: ReadonlySet<Node>;

  constructor(from: Graph, to: Graph, options: TransitionOptions) {
    this.#from = from;
    this.#to = to;
    this.#options = options;
    const [before, after] = [new Set(allNodes(from)), new Set(allNodes(to))];
    this.kept = new Set([...before].filter((node) => after.has(node)));
    this.removed = new Set([...before].filter((node) => !after.has(node)));
    this.added = new Set([...after].filter((node) => !before.has(node)));
  }

  /** Resolves when the new graph works. Rejects where one of its components does not start; see `undo`. */
  async run(): Promise<void> {
    if (this.#options.mustMakeRoom || this.#mustMakeRoom()) await this.#makeRoom();
    await this.#options.whenRoomIsMade();
    const order = startOrder(this.#to).filter((node) => this.added.has(node));
    await this.#start(order.filter((node) => node.kind !== 'receiver'));
    this.#to.connect();
    this.releaseKept();
    await this.#stopReceivers();
    await this.#start(order.filter((node) => node.kind === 'receiver'));
  }

  /** Stops what only the old graph has, once the new one works; exporters deliver what they hold. */
  async drain(): Promise<void> {
    const deadline = this.#deadline(DRAIN_MS);
    await this.#quiet(this.kept, deadline);
    await this.#stopInner(this.#from, this.removed, deadline);
    await this.#stopAll(this.#removedOf('exporter'), deadline);
    this.#forget(this.removed);
  }

  /**
   * After a failed `run`: stops what only the new graph has. Whatever of the old graph still runs works
   * again if that is all; else senders wait until the graph that is built in its place is connected.
   */
  async undo(): Promise<void> {
    const { touched } = this.#options;
    const isWhole = [...this.removed].every((node) => node.kind === 'receiver' || touched.has(node));
    if (isWhole) {
      this.#from.connect();
      this.releaseKept();
    }
    const deadline = this.#deadline(MAKE_ROOM_MS);
    const started = [...this.added].filter((node) => touched.has(node));
    const of = (kind: string): Node[] => started.filter((node) => node.kind === kind);
    this.#report(await stopReceivers(of('receiver'), this.#stopOptions(deadline)));
    of('receiver').forEach((node) => touched.delete(node));
    if (isWhole) {
      await this.#quiet(this.kept, deadline);
      await this.#stopInner(this.#to, this.added, deadline);
    } else await this.#dam(this.#to, this.added, deadline);
    await this.#stopAll(of('exporter'), deadline);
    await this.#stopAll(of('extension'), deadline);
    this.#forget(this.added);
  }

  /** Lets what goes on send again. */
  releaseKept(): void {
    this.#forKept((node) => node.outlet?.release());
  }

  #forget(nodes: ReadonlySet<Node>): void {
    for (const node of nodes) {
      node.forget();
      this.#options.status.forget(node);
    }
  }

  #mustMakeRoom(): boolean {
    return [...this.removed].some((node) => this.#holdsAlone(node));
  }

  #holdsAlone(node: Node): boolean {
    return node.kind === 'extension' || (node.kind === 'exporter' && !this.#options.overlaps(node));
  }

  async #makeRoom(): Promise<void> {
    const deadline = this.#deadline(MAKE_ROOM_MS);
    await this.#stopReceivers();
    await this.#dam(this.#from, this.removed, deadline);
    const inTheWay = this.#removedOf('exporter').filter((node) => this.#holdsAlone(node));
    await this.#stopAll(inTheWay, deadline);
    for (const node of this.#removedOf('extension').reverse()) await this.#stopAll([node], deadline);
  }

  /**
   * Ends the flow through a graph from its beginning: kept components are held, those that go are stopped.
   * Each hands on what it has before those behind it stop, or are held with what still passes them.
   */
  async #dam(graph: Graph, going: ReadonlySet<Node>, deadline: AbortSignal): Promise<void> {
    const receivers = [...this.kept].filter((node) => node.kind === 'receiver');
    await this.#hold(receivers, deadline);
    await alongFlow(graph.levels, (node) =>
      going.has(node) ? this.#stopAll([node], deadline) : this.#hold([node], deadline),
    );
  }

  async #start(nodes: readonly Node[]): Promise<void> {
    const { clock, service, signal, status, touched } = this.#options;
    const running = new Map<string, Component>();
    for (const graph of [this.#from, this.#to]) {
      for (const { id, component } of graph.extensions.filter((node) => touched.has(node)))
        running.set(id.text, component);
    }
    const late = new AbortController();
    const timer = clock.setTimeout(() => late.abort(new Error(`no start within ${START_MS} ms`)), START_MS);
    try {
      await startNodes(nodes, {
        ...{ status, service, extensions: running },
        signal: withoutListenerLimit(AbortSignal.any([signal, late.signal])),
        onTouched: (node) => touched.add(node),
      });
    } finally {
      timer.cancel();
    }
  }

  async #stopReceivers(): Promise<void> {
    const receivers = this.#removedOf('receiver').filter((node) => this.#options.touched.has(node));
    this.#report(await stopReceivers(receivers, this.#stopOptions(this.#deadline(MAKE_ROOM_MS))));
    for (const node of receivers) this.#options.touched.delete(node);
  }

  /** Processors and connectors among `nodes`, in the direction of flow. */
  async #stopInner(graph: Graph, nodes: ReadonlySet<Node>, deadline: AbortSignal): Promise<void> {
    await alongFlow(graph.levels, async (node) => {
      if (nodes.has(node)) await this.#stopAll([node], deadline);
    });
  }

  async #stopAll(nodes: readonly Node[], deadline: AbortSignal): Promise<void> {
    await Promise.all(
      nodes.map(async (node) => {
        this.#report(await stopNode(node, this.#stopOptions(deadline)));
        this.#options.touched.delete(node);
      }),
    );
  }

  /** Lets what these send wait from now on, and waits until what they have sent has arrived. */
  async #hold(nodes: readonly Node[], deadline: AbortSignal): Promise<void> {
    for (const node of nodes) node.outlet?.hold();
    await this.#quiet(nodes, deadline);
  }

  /** Waits until what these have sent so far has arrived. */
  async #quiet(nodes: Iterable<Node>, deadline: AbortSignal): Promise<void> {
    const calls = [...nodes].map(async (node) => node.outlet?.quiet());
    const late = new Promise<void>((resolve) => {
      if (deadline.aborted) resolve();
      else deadline.addEventListener('abort', () => resolve(), { once: true });
    });
    await Promise.race([Promise.all(calls), late]);
  }

  #removedOf(kind: string): Node[] {
    return [...this.removed].filter((node) => node.kind === kind);
  }

  #forKept(visit: (node: Node) => void): void {
    for (const node of this.kept) visit(node);
  }

  #deadline(ms: number): AbortSignal {
    return withoutListenerLimit(AbortSignal.any([this.#options.impatient, AbortSignal.timeout(ms)]));
  }

  #stopOptions(deadline: AbortSignal) {
    const { touched, clock } = this.#options;
    return { touched, deadline, clock };
  }

  #report(errors: readonly Error[]): void {
    for (const error of errors)
      this.#options.logger().error('a component did not stop as it should', { error });
  }
}
