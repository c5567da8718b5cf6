// SPDX-License-Identifier: Apache-2.0
import type { Samples } from '../../pdata/tables.ts';

/** Whether two profiles under one dictionary have the same stacks, links and attributes, sample by sample. */
export function sameSamples(a: Samples, b: Samples): boolean {
  if (a === b) return true;
  return (
    a.length === b.length &&
    sameNumbers(a.stack, b.stack) &&
    sameNumbers(a.link, b.link) &&
    sameNumbers(a.attributes.start, b.attributes.start) &&
    sameNumbers(a.attributes.values, b.attributes.values)
  );
}

export function sameNumbers(a: Int32Array | Uint32Array, b: Int32Array | Uint32Array): boolean {
  if (a === b) return true;
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
