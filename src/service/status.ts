// SPDX-License-Identifier: Apache-2.0
import type { StatusEvent } from '../component/component.ts';
import { deferred } from '../internal/deferred.ts';
import type { Node } from './node.ts';

/** Health of the components, as they report it. Logs changes alone; a fatal error is handed on. */
export class StatusBoard {
  readonly #last = new Map<Node, StatusEvent>();
  readonly #fatal = deferred<Error>();

  /** Resolves with the first fatal error that any component reports; never rejects. */
  get fatal(): Promise<Error> {
    return this.#fatal.promise;
  }

  report(node: Node, event: StatusEvent): void {
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
