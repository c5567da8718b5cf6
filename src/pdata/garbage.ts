// SPDX-License-Identifier: Apache-2.0
import type { ProfilesBatch } from './profiles-batch.ts';
import { hasZeroRows } from './remap.ts';
import { Cutter } from './split.ts';

const TABLES = ['strings', 'functions', 'mappings', 'locations', 'stacks', 'links', 'attributes'] as const;

/**
 * The batch without rows of the dictionary that nothing references, and with equal rows stored once; string
 * references in attribute values are written in place. The same batch where there is nothing to collect.
 */
export function collectGarbage(batch: ProfilesBatch): ProfilesBatch {
  const cutter = new Cutter(batch);
  for (const resource of batch.resources) cutter.addResource(resource);
  const collected = cutter.finish();
  const before = batch.dictionary.tables;
  const after = collected.dictionary.tables;
  const isSameSize = TABLES.every((table) => before[table].length === after[table].length);
  return isSameSize && hasZeroRows(batch.dictionary) ? batch : collected;
}
