// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { intValue, stringValue, valueToText } from './any-value.ts';
import { getText } from './attributes.ts';
import { DictionaryBuilder } from './dictionary-builder.ts';
import {
  type AttributesEdit,
  editLocationAttributes,
  editMappingAttributes,
  editProfileAttributes,
  editResourceAttributes,
  editSampleAttributes,
  editScopeAttributes,
} from './edit-attributes.ts';
import { profile, ProfilesBatch, resource, type ResourceProfiles } from './profiles-batch.ts';
import { SamplesBuilder } from './samples.ts';
import { listAt } from './tables.ts';

/** Two resources: samples of the first have a thread, those of the second a cpu. */
function threadsAndCpus(): ProfilesBatch {
  const b = new DictionaryBuilder();
  const type = { type: b.string('samples'), unit: b.string('count') };
  const build = b.attributeOf('build', stringValue('v1'));
  const location = b.location(b.mapping(1n, 2n, 0n, 0, [build]), 1n, [build], []);
  const plain = b.location(0, 2n, [], []);
  const of = (key: string): ResourceProfiles => {
    const samples = new SamplesBuilder();
    for (let i = 0; i < 4; i++)
      samples.add(b.stack([location, plain]), 0, [b.attributeOf(key, intValue(i % 2))], [1n], []);
    const p = profile({ sampleType: type, samples: samples.build(), attributes: Int32Array.of(build) });
    const scope = { name: key, version: '', attributes: [], droppedAttributesCount: 0 };
    return {
      resource: resource([{ key: 'host', value: stringValue(key) }]),
      schemaUrl: '',
      scopes: [{ scope, schemaUrl: '', profiles: [p] }],
    };
  };
  const resources = [of('thread'), of('cpu')];
  return new ProfilesBatch(b.build(), resources);
}

const sampleTexts = (batch: ProfilesBatch): string[] =>
  [...batch.profiles()].flatMap(({ profile: { samples } }) =>
    Array.from({ length: samples.length }, (_, i) => textOf(batch, listAt(samples.attributes, i))),
  );

const textOf = ({ dictionary }: ProfilesBatch, rows: Int32Array): string =>
  Array.from(rows, (row) => {
    const unit = dictionary.text(dictionary.tables.attributes.unit[row] ?? 0);
    return `${dictionary.attributeKey(row)}=${valueToText(dictionary.attributeValue(row))}${unit}`;
  }).join(',');

const nothing: AttributesEdit = (attributes) => attributes;

describe('editing the attributes of samples', () => {
  it('asks once for each distinct list and leaves the rest of the batch as it is', () => {
    const batch = threadsAndCpus();
    let asked = 0;
    const edited = editSampleAttributes(batch, (attributes) => {
      asked++;
      return attributes.flatMap((a) =>
        a.key === 'thread' ? [a, { key: 'size', value: intValue(7), unit: 'By' }] : [a],
      );
    });
    assert.equal(asked, 4);
    assert.deepEqual(sampleTexts(edited), [
      ...['thread=0,size=7By', 'thread=1,size=7By', 'thread=0,size=7By', 'thread=1,size=7By'],
      ...['cpu=0', 'cpu=1', 'cpu=0', 'cpu=1'],
    ]);
    assert.equal(edited.resources[1], batch.resources[1]);
    const { strings, attributes, ...shared } = edited.dictionary.tables;
    const before = batch.dictionary.tables;
    assert.equal(attributes.length, before.attributes.length + 1);
    assert.equal(strings.length, before.strings.length + 2);
    assert.equal(shared.stacks, before.stacks);
    assert.equal(shared.locations, before.locations);
    assert.equal(shared.functions, before.functions);
    const [was, is] = [batch, edited].map((b) => [...b.profiles()][0]?.profile.samples);
    assert.equal(is?.values, was?.values);
    assert.equal(is?.stack, was?.stack);
  });

  it('needs no new row to take attributes away', () => {
    const batch = threadsAndCpus();
    const edited = editSampleAttributes(batch, (list) => list.filter((a) => a.key !== 'cpu'));
    assert.equal(edited.dictionary, batch.dictionary);
    assert.deepEqual(sampleTexts(edited).slice(3), ['thread=1', '', '', '', '']);
  });
});

describe('editing attributes of other levels', () => {
  const upsert: AttributesEdit = (attributes) =>
    attributes.map((a) => (a.key === 'build' ? { ...a, value: stringValue('v2') } : a));

  it('changes profiles', () => {
    const edited = editProfileAttributes(threadsAndCpus(), upsert);
    for (const { profile: p } of edited.profiles()) assert.equal(textOf(edited, p.attributes), 'build=v2');
  });

  it('changes locations in their place, the zero row excepted', () => {
    const batch = threadsAndCpus();
    const add = editLocationAttributes(batch, (list) => [
      ...list,
      { key: 'x', value: intValue(1), unit: '' },
    ]);
    const { locations } = add.dictionary.tables;
    assert.deepEqual(
      [0, 1, 2].map((row) => textOf(add, listAt(locations.attributes, row))),
      ['', 'build=v1,x=1', 'x=1'],
    );
    assert.equal(locations.address, batch.dictionary.tables.locations.address);
    assert.equal(add.resources, batch.resources);
    assert.equal(add.dictionary.tables.mappings, batch.dictionary.tables.mappings);
  });

  it('changes mappings in their place', () => {
    const batch = threadsAndCpus();
    const edited = editMappingAttributes(batch, upsert);
    const { mappings } = edited.dictionary.tables;
    assert.equal(textOf(edited, listAt(mappings.attributes, 1)), 'build=v2');
    assert.equal(edited.dictionary.tables.locations, batch.dictionary.tables.locations);
  });

  it('changes resources and scopes, each by its own list', () => {
    const batch = threadsAndCpus();
    const named = (list: readonly { key: string }[]): string => list.map((a) => a.key).join();
    const added = { key: 'added', value: intValue(1) };
    const byHost = editResourceAttributes(batch, (list) =>
      getText(list, 'host') === 'cpu' ? [...list, added] : list,
    );
    assert.deepEqual(
      byHost.resources.map((rp) => named(rp.resource.attributes)),
      ['host', 'host,added'],
    );
    assert.equal(byHost.resources[0], batch.resources[0]);
    const scoped = editScopeAttributes(batch, (list) => [...list, added]);
    assert.deepEqual(
      scoped.resources.map((rp) => named(rp.scopes[0]?.scope.attributes ?? [])),
      ['added', 'added'],
    );
    assert.equal(scoped.resources[0]?.scopes[0]?.profiles, batch.resources[0]?.scopes[0]?.profiles);
  });

  it('gives the same batch where nothing changes', () => {
    const batch = threadsAndCpus();
    for (const edit of [editProfileAttributes, editSampleAttributes, editLocationAttributes])
      assert.equal(edit(batch, nothing), batch);
    assert.equal(
      editMappingAttributes(batch, (list) => [...list]),
      batch,
    );
    assert.equal(
      editResourceAttributes(batch, (list) => list),
      batch,
    );
    assert.equal(
      editScopeAttributes(batch, (list) => list),
      batch,
    );
  });
});
