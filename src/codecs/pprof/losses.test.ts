// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { pprofMeaning } from '../../internal/testing/pprof-meaning.ts';
import { boolValue, intValue, stringValue } from '../../pdata/any-value.ts';
import type { Attributes } from '../../pdata/attributes.ts';
import { DictionaryBuilder } from '../../pdata/dictionary-builder.ts';
import { type Profile, profile } from '../../pdata/profiles-batch.ts';
import { SamplesBuilder } from '../../pdata/samples.ts';
import { encodePprof, groupForPprof } from './encode.ts';
import { noLosses, type PprofLosses } from './losses.ts';
import { BUILD_IDS, PPROF } from './names.ts';

type Add = (samples: SamplesBuilder, stack: number) => void;

/** What a file says of one stack of one location, and what was lost. */
class Case {
  readonly d = new DictionaryBuilder();
  readonly lines = [{ function: this.d.function(this.d.string('main'), 0, 0, 0n), line: 1n, column: 0n }];

  make(add: Add, location = this.d.location(0, 1n, [], this.lines), changes: Partial<Profile> = {}): Profile {
    const samples = new SamplesBuilder();
    add(samples, this.d.stack([location]));
    const sampleType = { type: this.d.string('cpu'), unit: this.d.string('nanoseconds') };
    return profile({ sampleType, samples: samples.build(), ...changes });
  }

  encode(profiles: readonly Profile[], scopeAttributes: Attributes = []): [string[], Partial<PprofLosses>] {
    const losses = noLosses();
    const file = encodePprof(this.d.build(), profiles, { losses, scopeAttributes });
    return [pprofMeaning(file), Object.fromEntries(Object.entries(losses).filter(([, n]) => n !== 0))];
  }
}

const one: Add = (s, stack) => s.add(stack, 0, [], [7n], []);
const find = (lines: readonly string[], start: string): string =>
  lines.find((line) => line.startsWith(start)) ?? '';

describe('what pprof has no place for', () => {
  it('is nothing in a plain profile', () => {
    const c = new Case();
    assert.deepEqual(c.encode([c.make(one)])[1], {});
  });

  it('timestamps: their number is the value where there is none', () => {
    const c = new Case();
    const [lines, losses] = c.encode([c.make((s, stack) => s.add(stack, 0, [], [], [1n, 2n, 3n]))]);
    assert.match(find(lines, 'sample'), /\["3"\]/);
    assert.deepEqual(losses, { timestamps: 3 });
  });

  it('several values of a sample become their sum, at most what 64 bits hold', () => {
    const c = new Case();
    const [lines, losses] = c.encode([
      c.make((s, stack) => {
        s.add(stack, 0, [], [1n, 2n], [5n, 6n]);
        s.add(stack, 0, [], [2n ** 63n - 1n, 1n], [5n, 6n]);
      }),
    ]);
    const values = lines
      .filter((line) => line.startsWith('sample'))
      .map((line) => /\["(\d+)"\]/.exec(line)?.[1]);
    assert.deepEqual(values, ['3', String(2n ** 63n - 1n)]);
    assert.deepEqual(losses, { timestamps: 4, summedValues: 2, clampedValues: 1 });
  });

  it('values of attributes other than texts and numbers are written as text', () => {
    const c = new Case();
    const attributes = [
      c.d.attributeOf('flag', boolValue(true)),
      c.d.attributeOf('ratio', { kind: 'double', value: 0.5 }),
      c.d.attributeOf('raw', { kind: 'bytes', value: Uint8Array.of(1, 2) }),
      c.d.attributeOf('list', { kind: 'array', value: [boolValue(false)] }),
      c.d.attributeOf('map', { kind: 'map', value: [{ key: 'a', value: intValue(1) }] }),
      c.d.attributeOf('none', stringValue('')),
    ];
    const [lines, losses] = c.encode([c.make((s, stack) => s.add(stack, 0, attributes, [1n], []))]);
    for (const text of [
      '["\\"true\\" "]',
      '["\\"0.5\\" "]',
      '["\\"AQI=\\" "]',
      'false',
      '{\\\\\\"a\\\\\\":1}',
    ])
      assert.ok(find(lines, 'sample').includes(text), text);
    assert.deepEqual(losses, { textValues: 5, emptyLabels: 1 });
  });

  it('attributes of locations and of mappings', () => {
    const c = new Case();
    const frame = c.d.attributeOf('profile.frame.type', stringValue('native'));
    const [gnu = '', go = ''] = BUILD_IDS;
    const mapping = c.d.mapping(1n, 2n, 0n, c.d.string('/bin/shop'), [
      c.d.attributeOf(go, stringValue('of go')),
      c.d.attributeOf(gnu, stringValue('of gnu')),
      c.d.attributeOf('other', stringValue('x')),
    ]);
    const [lines, losses] = c.encode([c.make(one, c.d.location(mapping, 1n, [frame], c.lines))]);
    assert.match(find(lines, 'mapping'), /"of gnu"/);
    assert.deepEqual(losses, { locationAttributes: 1, mappingAttributes: 2 });
  });

  it('a build id that is not of GNU is taken where there is no other', () => {
    const c = new Case();
    const id = c.d.attributeOf(BUILD_IDS[2] ?? '', stringValue('of file'));
    const mapping = c.d.mapping(1n, 2n, 0n, 0, [id]);
    const [lines, losses] = c.encode([c.make(one, c.d.location(mapping, 1n, [], c.lines))]);
    assert.match(find(lines, 'mapping'), /"of file"/);
    assert.deepEqual(losses, {});
  });

  it('a line without function gets a placeholder', () => {
    const c = new Case();
    const location = c.d.location(0, 0x10n, [], [{ function: 0, line: 3n, column: 0n }]);
    const [lines, losses] = c.encode([c.make(one, location)]);
    assert.match(find(lines, 'function'), /"0x10"/);
    assert.deepEqual(losses, { placeholders: 1 });
  });

  it('attributes of the profile become comments, its id and payload go', () => {
    const c = new Case();
    const rows = Int32Array.of(
      c.d.attributeOf('host', stringValue('a')),
      c.d.attributeOf(PPROF.comment, { kind: 'array', value: [stringValue('said')] }),
    );
    const changes = { attributes: rows, profileId: new Uint8Array(16).fill(1), droppedAttributesCount: 2 };
    const [lines, losses] = c.encode([c.make(one, undefined, changes)]);
    assert.deepEqual(lines.filter((line) => line.startsWith('text')).slice(3), [
      'text "said"',
      'text "host=a"',
    ]);
    assert.deepEqual(losses, { profileFields: 2 });
  });

  it('a default type that none has; else the first of several is the default', () => {
    const c = new Case();
    const other = c.make(one, undefined, { sampleType: { type: c.d.string('wall'), unit: 0 } });
    const wanted = [{ key: PPROF.defaultSampleType, value: stringValue('heap') }];
    const both = [c.make(one), other];
    const dictionary = c.d.build();
    const defaultOf = (scopeAttributes: Attributes): string =>
      find(pprofMeaning(encodePprof(dictionary, both, { scopeAttributes })), 'default');
    assert.equal(defaultOf(wanted), 'default ""');
    assert.equal(defaultOf([]), 'default "cpu"');
  });

  it('profiles of differing samples, times or attributes come in files of their own', () => {
    const c = new Case();
    const a = c.make(one);
    const b = c.make((s, stack) => {
      s.add(stack, 0, [], [1n], []);
      s.add(stack, 0, [], [1n], []);
    });
    const later = c.make(one, undefined, { timeUnixNano: 5n });
    const marked = c.make(one, undefined, {
      attributes: Int32Array.of(c.d.attributeOf('host', stringValue('a'))),
    });
    assert.deepEqual(
      groupForPprof([a, b, c.make(one), later, marked]).map((group) => group.length),
      [2, 1, 1, 1],
    );
  });
});
