// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { boolValue, intValue, stringValue } from './any-value.ts';
import { DictionaryBuilder } from './dictionary-builder.ts';
import { dumpBatch } from './dump.ts';
import { batchFromFolded } from './folded.ts';
import { mergeBatches } from './merge.ts';
import { profile, ProfilesBatch, resource } from './profiles-batch.ts';
import { SamplesBuilder } from './samples.ts';

function richBatch(name: string): ProfilesBatch {
  const b = new DictionaryBuilder();
  const buildId = b.attributeOf('process.executable.build_id.gnu', stringValue('abcd'));
  const mapping = b.mapping(0x1000n, 0x2000n, 0n, b.string('/usr/lib/libc.so.6'), [buildId]);
  const kind = b.attributeOf('profile.frame.type', stringValue('native'));
  const inlined = {
    function: b.function(b.string('memcpy'), 0, b.string('string.c'), 0n),
    line: 7n,
    column: 2n,
  };
  const outer = { function: b.function(b.string(name), b.string('_Zmain'), 0, 0n), line: 0n, column: 0n };
  const leaf = b.location(mapping, 0x1234n, [kind], [inlined, outer]);
  const nameless = b.location(mapping, 0x1300n, [], []);
  const samples = new SamplesBuilder();
  const thread = b.attributeOf('thread.id', intValue(2n ** 53n + 1n), 'ms');
  const link = b.link(new Uint8Array(16).fill(0xab), new Uint8Array(8).fill(1));
  samples.add(b.stack([leaf, nameless]), link, [thread], [-5n, 2n ** 62n], [1n, 2n ** 64n - 1n]);
  const p = profile({
    sampleType: { type: b.string('cpu'), unit: b.string('ns') },
    periodType: { type: b.string('cpu'), unit: b.string('ns') },
    period: 10n,
    timeUnixNano: 1_700_000_000_123_456_789n,
    durationNano: 5n,
    profileId: new Uint8Array(16).fill(7),
    originalPayloadFormat: 'jfr',
    originalPayload: new Uint8Array(3),
    attributes: Int32Array.of(thread),
    samples: samples.build(),
  });
  const scope = {
    name: 'probe',
    version: '1',
    attributes: [{ key: 'on', value: boolValue(true) }],
    droppedAttributesCount: 2,
  };
  const attributes = [{ key: 'service.name', value: stringValue('shop') }];
  const scopes = [{ scope, schemaUrl: 's', profiles: [p] }];
  return new ProfilesBatch(b.build(), [{ resource: resource(attributes), schemaUrl: 'r', scopes }]);
}

const EXPECTED = `ResourceProfiles #0
Resource SchemaURL: r
Resource attributes:
     -> service.name: Str(shop)
ScopeProfiles #0
ScopeProfiles SchemaURL: s
InstrumentationScope probe 1
InstrumentationScope attributes:
     -> on: Bool(true)
Dropped attributes count: 2
Profile #0
    Profile ID     : 07070707070707070707070707070707
    Sample type    : cpu/ns
    Period         : 10 cpu/ns
    Start time     : 2023-11-14T22:13:20.123456789Z
    Duration       : 5ns
    Dropped attributes count: 0
    Original payload: 3 bytes of "jfr"
    Attributes:
         -> thread.id: Int(9007199254740993) [ms]
    Sample #0
        Stack: libc.so.6+0x1300;main;memcpy
            Frame #0: memcpy at string.c:7:2, main at :0:0 (_Zmain), libc.so.6+0x1234 of 0x1000-0x2000, process.executable.build_id.gnu: Str(abcd), profile.frame.type: Str(native)
            Frame #1: libc.so.6+0x1300 of 0x1000-0x2000, process.executable.build_id.gnu: Str(abcd)
        Values: [-5 4611686018427387904]
        Timestamps: [1 18446744073709551615]
        Link: trace abababababababababababababababab span 0101010101010101
        Attributes:
             -> thread.id: Int(9007199254740993) [ms]
`;

describe('a dump', () => {
  it('says everything of a batch, 64-bit numbers exactly', () => {
    assert.equal(dumpBatch(richBatch('main')), EXPECTED);
  });

  it('is the same whatever the order of the tables', () => {
    const other = batchFromFolded('a;b;memcpy 1');
    const [, moved] = dumpBatch(mergeBatches([other, richBatch('main')])).split('ResourceProfiles #1');
    assert.equal(`ResourceProfiles #0${moved}`, EXPECTED);
  });

  it('keeps what controls a terminal, and what looks like a line of its own, inside its line', () => {
    const text = dumpBatch(richBatch('\u001b[2J\r\nProfile #9\u202e\u2028ünï🔥'));
    assert.ok(text.includes('\\u{1b}[2J\\u{d}\\u{a}Profile #9\\u{202e}\\u{2028}ünï🔥'), text);
    assert.equal(text.split('\n').length, EXPECTED.split('\n').length);
  });

  it('adds the tables on request, and says where it was cut', () => {
    const whole = dumpBatch(richBatch('main'), { tables: true });
    assert.ok(whole.endsWith(EXPECTED));
    assert.match(
      whole,
      /^Mapping #0\n[^]*Mapping #1\n {4}Memory {9}: 0x1000-0x2000\n[^]*String table:\n {5}\n/,
    );
    const cut = dumpBatch(richBatch('main'), { tables: true, maxLength: 1000 });
    assert.ok(cut.length < 1040 && /… cut after \d+ characters\n$/.test(cut));
    const samples = new SamplesBuilder();
    samples.add(0, 0, [], [], new BigUint64Array(10_001));
    const p = profile({ sampleType: { type: 0, unit: 0 }, samples: samples.build() });
    const scope = { name: '', version: '', attributes: [], droppedAttributesCount: 0 };
    const many = new ProfilesBatch(new DictionaryBuilder().build(), [
      { resource: resource([]), schemaUrl: '', scopes: [{ scope, schemaUrl: '', profiles: [p] }] },
    ]);
    assert.match(dumpBatch(many), /0 0 … and 1 more\]/);
  });
});
