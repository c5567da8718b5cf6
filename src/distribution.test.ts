// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type AnyFactory, loadAllFactories } from './component/factory.ts';
import { distribution } from './distribution.ts';

describe('the distribution', () => {
  it('offers every factory by the names that it has itself', async () => {
    const all = await loadAllFactories(distribution);
    const names = ({ type, aliases = [] }: Pick<AnyFactory, 'type' | 'aliases'>): object => ({
      type,
      aliases,
    });
    for (const section of ['receivers', 'processors', 'exporters', 'connectors', 'extensions'] as const) {
      assert.deepEqual(distribution[section].map(names), all[section].map(names));
      for (const factory of all[section]) assert.equal(`${factory.kind}s`, section);
    }
  });
});
