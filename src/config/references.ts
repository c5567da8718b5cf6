// SPDX-License-Identifier: Apache-2.0
import type { ExtensionRole } from '../component/authenticator.ts';
import type { ExtensionFactory } from '../component/factory.ts';
import { type ComponentId, parseComponentId } from '../component/id.ts';
import { didYouMean } from '../internal/suggest.ts';
import type { ConfiguredSet, Report } from './configured-set.ts';
import type { Reference } from './schema-walk.ts';

type Extensions = ConfiguredSet<ExtensionFactory<unknown>>;

/**
 * Checks that every extension which a component names is configured and can be what it is named as, and,
 * for components that are used, that it will be started.
 */
export function checkReferences(
  sets: readonly (readonly [set: ConfiguredSet<unknown>, used: ReadonlySet<string>])[],
  extensions: Extensions,
  started: readonly ComponentId[],
  report: Report,
): void {
  const running = new Set(started.map((id) => id.text));
  for (const [set, used] of sets) {
    for (const [owner, references] of set.references) {
      for (const reference of references) {
        const message = problemOf(reference, extensions, used.has(owner) ? running : undefined);
        if (message !== undefined) report.issues.add(reference.path, message);
      }
    }
  }
}

/** What is wrong with a reference; `running` is undefined where it does not matter what is started. */
function problemOf(
  { role, text }: Reference,
  extensions: Extensions,
  running: ReadonlySet<string> | undefined,
): string | undefined {
  const id = parseComponentId(text).text;
  const known = extensions.keys.get(id);
  if (known === undefined)
    return `references extension "${id}" which is not configured${didYouMean(id, [...extensions.keys.keys()])}`;
  // What is wrong with the extension itself is told at its place.
  if (!extensions.components.has(id)) return undefined;
  const able = [...extensions.components.keys()].filter((other) => rolesOf(extensions, other).includes(role));
  if (!able.includes(id)) {
    const valid = able.length === 0 ? 'none is configured' : `valid values: [${able.join(' ')}]`;
    return `extension "${id}" is no ${role} (${valid})`;
  }
  if (running?.has(id) === false)
    return `references extension "${id}" which is not listed in service::extensions`;
  return undefined;
}

function rolesOf(extensions: Extensions, id: string): readonly ExtensionRole[] {
  const configured = extensions.components.get(id);
  return configured?.factory.roles?.(configured.config) ?? [];
}
