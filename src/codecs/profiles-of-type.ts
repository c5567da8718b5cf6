// SPDX-License-Identifier: Apache-2.0
import type { Profile, ProfilesBatch } from '../pdata/profiles-batch.ts';

/**
 * The profiles of a batch with the sample type `type` or `type/unit`; by default with that of the first one.
 * Throws RangeError, which names the types that there are, where none has it.
 */
export function profilesOfType(batch: ProfilesBatch, sampleType?: string): Profile[] {
  const all = [...batch.profiles()].map(({ profile }) => profile);
  const [first] = all;
  if (first === undefined) return [];
  const typeOf = ({ sampleType: { type } }: Profile): string => batch.dictionary.text(type);
  const nameOf = (p: Profile): string => `${typeOf(p)}/${batch.dictionary.text(p.sampleType.unit)}`;
  const wanted = sampleType ?? nameOf(first);
  const found = all.filter((p) => nameOf(p) === wanted || typeOf(p) === wanted);
  if (found.length > 0) return found;
  const known = [...new Set(all.map((p) => `"${nameOf(p)}"`))].join(', ');
  throw new RangeError(`no profile of type "${wanted}"; there are ${known}`);
}
