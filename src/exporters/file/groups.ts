// SPDX-License-Identifier: Apache-2.0
import { posix } from 'node:path';
import { getAttribute } from '../../pdata/attributes.ts';
import type { ResourceProfiles } from '../../pdata/profiles-batch.ts';

/** Why profiles were not written to a file of their group. */
export type DropReason = 'no_attribute' | 'bad_attribute' | 'too_many_groups';

const MAX_SEGMENT_LENGTH = 1024;
const MAX_NAME_BYTES = 200;

/**
 * The path that an attribute's value makes of `a/*.json`; the reason where it makes none. The value comes
 * from the network: it may name folders below the prefix, and never leaves it.
 */
export function groupPath(
  pattern: string,
  attribute: string,
  { resource }: ResourceProfiles,
): { readonly path: string } | { readonly reason: DropReason } {
  const value = getAttribute(resource.attributes, attribute);
  if (value?.kind !== 'string') return { reason: 'no_attribute' };
  const segment = value.value;
  const names = segment.split('/').filter((name) => name !== '');
  const isBad =
    names.length === 0 ||
    segment.length > MAX_SEGMENT_LENGTH ||
    // Control characters would make names that no shell or log shows as they are.
    /\p{C}/u.test(segment) ||
    names.some((name) => name === '.' || name === '..' || Buffer.byteLength(name) > MAX_NAME_BYTES);
  if (isBad) return { reason: 'bad_attribute' };
  return { path: posix.normalize(pattern.split('*').join(names.join('/'))) };
}
