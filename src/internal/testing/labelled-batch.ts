// SPDX-License-Identifier: Apache-2.0
import { stringValue } from '../../pdata/any-value.ts';
import { DictionaryBuilder } from '../../pdata/dictionary-builder.ts';
import { batchFromFolded } from '../../pdata/folded.ts';
import { ProfilesBatch, withProfiles, withSamples, withScopes } from '../../pdata/profiles-batch.ts';
import { indexLists } from '../../pdata/tables.ts';

/** A CPU profile of now with one sample, `main 1`, that has these attributes. */
export function labelledBatch(labels: Readonly<Record<string, string>>): ProfilesBatch {
  const timeUnixNano = BigInt(Date.now()) * 1_000_000n;
  const batch = batchFromFolded('main 1', { timeUnixNano, attributes: { 'service.name': 'shop' } });
  const builder = new DictionaryBuilder(batch.dictionary);
  const rows = Object.entries(labels).map(([key, value]) => builder.attributeOf(key, stringValue(value)));
  const resources = batch.resources.map((rp) => {
    const scopes = rp.scopes.map((sp) => {
      const profiles = sp.profiles.map((p) =>
        withSamples(p, { ...p.samples, attributes: indexLists([rows]) }),
      );
      return withProfiles(sp, profiles);
    });
    return withScopes(rp, scopes);
  });
  return new ProfilesBatch(builder.build(), resources);
}
