// SPDX-License-Identifier: Apache-2.0
import type { StatusEvent } from '../component/component.ts';
import type { ComponentStatus } from '../component/service-view.ts';
import { deferred } from '../internal/deferred.ts';
import type { Node } from './node.ts';

/** What the board shows of a component. */
type ShownStatus = Omit<ComponentStatus, 'component'>;

/** Health of the components, as they report it. Logs changes alone; a fatal error is handed on. */
export class StatusBoard {
  readonly #last = new Map<Node, StatusEvent>();
  readonly #shown = new Map<Node, ShownStatus>();
  readonly #gone = new WeakSet<Node>();
  readonly #fatal = deferred<Error>();

  /** Resolves with the first fatal error that any component reports; never rejects. */
  get fatal(): Promise<Error> {
    return this.#fatal.promise;
  }

  /** What is known of a component; undefined before its start. */
  of(node: Node): ShownStatus | undefined {
    return this.#shown.get(node);
  }

  /** A component that a reload took away has no health any more, whatever it still reports. */
  forget(node: Node): void {
    this.#gone.add(node);
    this.#last.delete(node);
    this.#shown.delete(node);
  }

  /** The collector itself cannot go on. */
  fail(error: Error): void {
    this.#fatal.resolve(error);
  }

  starting(node: Node): void {
    this.#shown.set(node, { status: 'starting', sinceMs: Date.now() });
  }

  /** It is well, unless it has said otherwise. */
  started(node: Node): void {
    if (this.of(node)?.status === 'starting') this.#show(node, { status: 'ok' });
  }

  #show(node: Node, { status, error }: StatusEvent): void {
    const before = this.of(node);
    // An error that changes its words is still the same time of trouble.
    const goesOn = before?.status === status && before !== undefined;
    const sinceMs = goesOn ? before.sinceMs : Date.now();
    this.#shown.set(node, { status, sinceMs, ...(error !== undefined && { error }) });
  }

  report(node: Node, event: StatusEvent): void {
    if (this.#gone.has(node)) return;
    this.#show(node, event);
    const before = this.#last.get(node);
    if (before?.status === event.status && before.error?.message === event.error?.message) return;
    this.#last.set(node, event);
    const { logger } = node.settings;
    const fields = event.error === undefined ? {} : { error: event.error };
    switch (event.status) {
      case 'ok':
        if (before !== undefined) logger.info('component recovered', fields);
        return;
      case 'recoverable_error':
        return logger.warn('component works with errors', fields);
      case 'permanent_error':
        return logger.error('component cannot work until its configuration or environment changes', fields);
      default: {
        logger.error('component failed, the collector stops', fields);
        const why = event.error?.message ?? 'no reason given';
        this.#fatal.resolve(new Error(`fatal error of ${node.label}: ${why}`, { cause: event.error }));
      }
    }
  }
}
