// SPDX-License-Identifier: Apache-2.0
import type { RetryableError } from '../consumer/consumer.ts';
import type { Component, Extension, Host } from './component.ts';

/** An extension that servers of receivers ask before they read a request: one of their `middlewares`. */
export interface Admission extends Extension {
  /** Why no request may come in now, with the time to wait; undefined where it may. Counts what it refuses. */
  refuse(): RetryableError | undefined;
}

/**
 * The extensions that `middlewares` name, in that order. Throws Error in upstream's words where one is not
 * among the started ones or admits nothing.
 */
export function admissionsOf(host: Host, middlewares: readonly { readonly id: string }[]): Admission[] {
  return middlewares.map(({ id }) => {
    const found = host.extensions.get(id);
    if (found === undefined)
      throw new Error(
        `failed to resolve middleware "${id}": middleware not found (list it in service::extensions)`,
      );
    if (!isAdmission(found))
      throw new Error(
        `failed to resolve middleware "${id}": requested extension is not a middleware (memory_limiter is one, and guards servers)`,
      );
    return found;
  });
}

function isAdmission(component: Component): component is Admission {
  return 'refuse' in component && typeof component.refuse === 'function';
}
