// SPDX-License-Identifier: Apache-2.0
import { valueToText } from '../../pdata/any-value.ts';
import type { Attributes } from '../../pdata/attributes.ts';
import { dumpBatch, joinLines } from '../../pdata/dump.ts';
import { printable } from '../../pdata/printable.ts';
import type { ProfilesBatch, ScopeProfiles } from '../../pdata/profiles-batch.ts';

/** A batch may be large; what is written of it is not. */
const MAX_TEXT_LENGTH = 8 * 1024 * 1024;

/** One line a resource, scope and profile. */
export function normalText(batch: ProfilesBatch): string {
  return joinLines(normalLines(batch), MAX_TEXT_LENGTH);
}

/** The dictionary, then every profile with its samples, references resolved. */
export function detailedText(batch: ProfilesBatch): string {
  return dumpBatch(batch, { tables: true, maxLength: MAX_TEXT_LENGTH });
}

function* normalLines(batch: ProfilesBatch): Generator<string> {
  const { dictionary } = batch;
  for (const [i, rp] of batch.resources.entries()) {
    const schema = rp.schemaUrl === '' ? '' : ` [${printable(rp.schemaUrl)}]`;
    yield `ResourceProfiles #${i}${schema}${pairs(rp.resource.attributes)}`;
    for (const [j, sp] of rp.scopes.entries()) {
      yield `ScopeProfiles #${j}${scopeName(sp)}${pairs(sp.scope.attributes)}`;
      for (const p of sp.profiles) {
        const attributes = Array.from(p.attributes, (row) => ({
          key: dictionary.attributeKey(row),
          value: dictionary.attributeValue(row),
        }));
        const id = Buffer.from(p.profileId).toString('hex');
        yield `${id} samples=${p.samples.length}${pairs(attributes)}`;
      }
    }
  }
}

function scopeName({ scope, schemaUrl }: ScopeProfiles): string {
  const version = scope.version === '' ? '' : `@${scope.version}`;
  const name = scope.name === '' ? '' : ` ${printable(scope.name + version)}`;
  return `${name}${schemaUrl === '' ? '' : ` [${printable(schemaUrl)}]`}`;
}

function pairs(attributes: Attributes): string {
  return attributes.map(({ key, value }) => ` ${printable(`${key}=${valueToText(value)}`)}`).join('');
}
