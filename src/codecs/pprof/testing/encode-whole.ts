// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import type { ProfilesBatch } from '../../../pdata/profiles-batch.ts';
import { encodePprof } from '../encode.ts';
import { noLosses } from '../losses.ts';

/** The file that a batch was decoded from again, with everything that it had, referenced or not. */
export function encodeWhole(batch: ProfilesBatch): Uint8Array {
  const [scope] = batch.resources.flatMap((rp) => rp.scopes);
  assert.ok(scope);
  const losses = noLosses();
  const file = encodePprof(batch.dictionary, scope.profiles, {
    synthesizeNames: false,
    keepUnreferenced: true,
    scopeAttributes: scope.scope.attributes,
    losses,
  });
  assert.deepEqual(losses, noLosses());
  return file;
}
