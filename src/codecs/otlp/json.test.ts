// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { otlpMeaning, otlpRequestType } from '../../internal/testing/otlp-proto.ts';
import { Random, randomOtlpRequest } from '../../internal/testing/otlp-random.ts';
import { DecodeError } from '../../internal/wire-reader.ts';
import type { ProfilesBatch } from '../../pdata/profiles-batch.ts';
import { decodeOtlp } from './decode.ts';
import { encodeOtlp } from './encode.ts';
import { decodeOtlpJson, encodeOtlpJson } from './json.ts';

const type = otlpRequestType();
const encode = (request: object): Uint8Array => type.encode(type.fromObject(request)).finish();
const meaning = (batch: ProfilesBatch): string => otlpMeaning(type, encodeOtlp(batch, { revision: '1.10' }));
const jsonOf = (request: object): string =>
  Buffer.from(encodeOtlpJson(decodeOtlp(encode(request)))).toString();

/** Start lines of functions are int64, addresses uint64: reads what a literal becomes. */
const startLine = (literal: string): bigint | undefined =>
  decodeOtlpJson(`{"dictionary":{"functionTable":[{},{"startLine":${literal}}]}}`).dictionary.tables.functions
    .startLine[1];
const address = (literal: string): bigint | undefined =>
  decodeOtlpJson(`{"dictionary":{"locationTable":[{},{"address":${literal}}]}}`).dictionary.tables.locations
    .address[1];
const attribute = (value: string): unknown =>
  decodeOtlpJson(`{"resourceProfiles":[{"resource":{"attributes":[{"key":"k","value":${value}}]}}]}`)
    .resources[0]?.resource.attributes[0]?.value;

function refused(json: string | Uint8Array, message: RegExp): void {
  assert.throws(
    () => decodeOtlpJson(json),
    (error: unknown) => error instanceof DecodeError && message.test(error.message),
    String(message),
  );
}

describe('OTLP/JSON', () => {
  it('says the same as protobuf, and what it writes is JSON for others', () => {
    for (let seed = 0; seed < 200; seed++) {
      const batch = decodeOtlp(encode(randomOtlpRequest(new Random(seed), true)));
      const json = encodeOtlpJson(batch);
      assert.equal(meaning(decodeOtlpJson(json)), meaning(batch), `seed ${seed}`);
      const pretty = JSON.stringify(JSON.parse(Buffer.from(json).toString()), null, 2);
      assert.equal(meaning(decodeOtlpJson(pretty)), meaning(batch), `seed ${seed}`);
    }
  });

  it('reads what protobufjs writes', () => {
    for (let seed = 0; seed < 100; seed++) {
      const bytes = encode(randomOtlpRequest(new Random(seed), true));
      const plain = type.toObject(type.decode(bytes), { longs: String, bytes: Buffer });
      const json = JSON.stringify(plain, (key, value: unknown) => {
        const isBytes =
          typeof value === 'object' &&
          value !== null &&
          'type' in value &&
          value.type === 'Buffer' &&
          'data' in value;
        if (!isBytes) return value;
        return Buffer.from(value.data as number[]).toString(/^(trace|span)Id$/.test(key) ? 'hex' : 'base64');
      });
      assert.equal(meaning(decodeOtlpJson(json)), meaning(decodeOtlp(bytes)), `seed ${seed}`);
    }
  });

  it('writes ids as hex, 64-bit numbers as text and bytes as base64', () => {
    const json = jsonOf({
      resourceProfiles: [
        {
          resource: { attributes: [{ key: 'b', value: { bytesValue: Buffer.from([255]) } }] },
          scopeProfiles: [
            { profiles: [{ profileId: Buffer.alloc(16, 0xcd), period: '-9223372036854775808' }] },
          ],
        },
      ],
      dictionary: {
        linkTable: [{}, { traceId: Buffer.alloc(16, 0xab), spanId: Buffer.alloc(8, 1) }],
        mappingTable: [{}, { memoryStart: '18446744073709551615', memoryLimit: '9007199254740993' }],
      },
    });
    assert.match(json, /"traceId":"(ab){16}","spanId":"(01){8}"/);
    assert.match(json, /"profileId":"(cd){16}"/);
    assert.match(json, /"memoryStart":"18446744073709551615","memoryLimit":"9007199254740993"/);
    assert.match(json, /"period":"-9223372036854775808"/);
    assert.match(json, /"bytesValue":"\/w=="/);
  });

  it('reads ids in either case, a profile id in base64 too, and base64 in both alphabets', () => {
    const ids = decodeOtlpJson(
      `{"dictionary":{"linkTable":[{},{"traceId":"${'aB'.repeat(16)}","spanId":""}]}}`,
    );
    assert.equal(ids.dictionary.tables.links.traceIds[16], 0xab);
    const id = Buffer.from('0123456789abcdef0123456789abcdef', 'hex');
    for (const text of [
      id.toString('hex'),
      id.toString('hex').toUpperCase(),
      id.toString('base64'),
      id.toString('base64url'),
    ]) {
      const [first] = decodeOtlpJson(
        `{"resourceProfiles":[{"scopeProfiles":[{"profiles":[{"profileId":"${text}"}]}]}]}`,
      ).profiles();
      assert.deepEqual(Buffer.from(first?.profile.profileId ?? []), id);
    }
    assert.deepEqual(attribute('{"bytesValue":"-_8"}'), {
      kind: 'bytes',
      value: new Uint8Array([0xfb, 0xff]),
    });
  });

  it('reads integers exactly over 64 bits, as numbers and as text', () => {
    for (const value of [
      0n,
      1n,
      -1n,
      2n ** 31n,
      2n ** 53n + 1n,
      2n ** 63n - 1n,
      -(2n ** 63n),
      123_456_789_012_345_678n,
      999_999_999_999_999_999n,
      1_000_000_000_000_000_000n,
    ]) {
      assert.equal(startLine(String(value)), value);
      assert.equal(startLine(`"${value}"`), value);
    }
    for (const value of [
      2n ** 64n - 1n,
      2n ** 63n,
      9_999_999_999_999_999_999n,
      4_294_967_296n,
      1_700_000_000_123_456_789n,
    ]) {
      assert.equal(address(String(value)), value);
      assert.equal(address(`"${value}"`), value);
    }
    assert.deepEqual(
      [startLine('1e3'), startLine('12.0'), startLine('"2.5E1"'), startLine('-0'), startLine('null')],
      [1000n, 12n, 25n, 0n, 0n],
    );
    const random = new Random(5);
    for (let i = 0; i < 2_000; i++) {
      const [signed, unsigned] = [random.i64(), random.u64()];
      assert.equal(startLine(signed), BigInt(signed));
      assert.equal(address(unsigned), BigInt(unsigned));
      const json = jsonOf({ dictionary: { locationTable: [{}, { address: unsigned }] } });
      if (unsigned !== '0') assert.ok(json.includes(`"address":"${unsigned}"`), json);
    }
  });

  it('refuses integers that are none, or too large, at their place', () => {
    for (const literal of [
      '9223372036854775808',
      '"-9223372036854775809"',
      '1e300',
      '"1e99"',
      '18446744073709551616',
    ]) {
      refused(
        `{"dictionary":{"functionTable":[{"startLine":${literal}}]}}`,
        /at byte \d+: dictionary\.functionTable\[0\]\.startLine: want an integer/,
      );
    }
    for (const literal of [
      '0.5',
      '"x"',
      '""',
      'true',
      '{}',
      '"1 "',
      '1e-1',
      '01',
      '1.',
      '.5',
      '+1',
      '-',
      '0x10',
    ]) {
      refused(
        `{"dictionary":{"functionTable":[{"startLine":${literal}}]}}`,
        /functionTable\[0\](\.startLine)?: want (an integer|a JSON number|"," or "}")/,
      );
    }
    refused(
      '{"dictionary":{"stackTable":[{"locationIndices":["3000000000"]}]}}',
      /locationIndices\[0\]: want an integer in \[-2147483648/,
    );
    refused(
      '{"dictionary":{"locationTable":[{"address":-1}]}}',
      /want an integer in \[0\.\.18446744073709551616\)/,
    );
  });

  it('reads doubles with their special values', () => {
    for (const [literal, value] of [
      ['1.5e3', 1500],
      ['"NaN"', NaN],
      ['"-Infinity"', -Infinity],
      ['"2.5"', 2.5],
      ['-0', -0],
      ['9007199254740993', 9007199254740992],
    ] as const) {
      assert.deepEqual(attribute(`{"doubleValue":${literal}}`), { kind: 'double', value });
    }
    for (const literal of ['1e400', '"infinity"', '"1e"', 'NaN', 'true']) {
      refused(
        `{"resourceProfiles":[{"resource":{"attributes":[{"value":{"doubleValue":${literal}}}]}}]}`,
        /doubleValue: want/,
      );
    }
    const values = [NaN, Infinity, -Infinity, -0, 0.1, 1e21, 5e-324].map((doubleValue) => ({ doubleValue }));
    const batch = decodeOtlp(
      encode({ dictionary: { attributeTable: [{}, { value: { arrayValue: { values } } }] } }),
    );
    assert.deepEqual(
      decodeOtlpJson(encodeOtlpJson(batch)).dictionary.attributeValue(1),
      batch.dictionary.attributeValue(1),
    );
  });

  it('passes over unknown keys at every level, and takes null for absent', () => {
    const unknown = '"x":{"y":[1,-2.5e3,true,false,null,"\\u00e9",{}],"z":[]}';
    const batch = decodeOtlpJson(
      `{${unknown},"resourceProfiles":[{${unknown},"resource":null,"scopeProfiles":[{${unknown},"scope":{${unknown}},"profiles":[{${unknown},"samples":[{${unknown},"values":[7]}]}]}]}],"dictionary":{${unknown},"functionTable":[{},{"startLine":7,${unknown}}],"stringTable":[""],"stackTable":null}}`,
    );
    assert.equal(batch.dictionary.tables.functions.startLine[1], 7n);
    assert.equal(batch.sampleCount, 1);
    refused('{"x":[1,]}', /want a JSON value/);
    refused(`{"x":${'['.repeat(100_000)}`, /no more than 64 brackets/);
  });

  it('knows the names of 1.8, those of proto, and samples of any shape for its own', () => {
    const read = (samples: string, lines: string, values: string): ProfilesBatch =>
      decodeOtlpJson(
        `{"resource_profiles":[{"scopeProfiles":[{"profiles":[{"${samples}":[{"stackIndex":1,${values}}]}]}]}],"dictionary":{"string_table":["","f"],"function_table":[{},{"name_strindex":1}],"locationTable":[{},{"${lines}":[{"functionIndex":1}]}],"stackTable":[{},{"location_indices":[1]}],"attributeTable":[{},{},{}]}}`,
      );
    const [a, b] = [read('sample', 'line', '"values":[1]'), read('samples', 'lines', '"values":["1"]')];
    assert.equal(meaning(a), meaning(b));
    assert.equal(a.dictionary.tables.locations.lineFunction.length, 1);
    const [only] = read('samples', 'lines', '"attributeIndices":[1],"timestampsUnixNano":[5]').profiles();
    assert.deepEqual([...(only?.profile.samples.attributes.values ?? [])], [1]);
    assert.deepEqual([...(only?.profile.samples.timestamps ?? [])], [5n]);
    const [same] = read('samples', 'lines', '"attributeIndices":[1,1],"timestampsUnixNano":[5,6]').profiles();
    assert.deepEqual([...(same?.profile.samples.values ?? [])], []);
    refused(
      '{"dictionary":{"attributeUnits":[]}}',
      /dictionary: want JSON of OTLP 1\.8 or newer; "attributeUnits" is a key of 1\.7/,
    );
  });

  it('reads escapes in text and keys, and refuses what is no text', () => {
    assert.deepEqual(attribute('{"stringValue":"a\\u00e9\\n\\"\\ud83d\\udd25\\/é"}'), {
      kind: 'string',
      value: 'aé\n"🔥/é',
    });
    assert.deepEqual(attribute('{"string\\u0056alue":"x"}'), { kind: 'string', value: 'x' });
    for (const text of ['\\ud800', '\\x', '\\u12', 'a\nb', '\\']) {
      refused(`{"dictionary":{"stringTable":["${text}"]}}`, /stringTable\[0\]: want/);
    }
    refused(Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]), /body is not UTF-8/);
    const text = `\u0000\u001f"\\\b\f\r\t\u007f\u2028${'🔥é'.repeat(20)}`;
    const json = jsonOf({ dictionary: { stringTable: ['', text] } });
    assert.deepEqual((JSON.parse(json) as { dictionary: { stringTable: string[] } }).dictionary.stringTable, [
      '',
      text,
    ]);
  });

  it('names the place of what is wrong', () => {
    const cases: readonly (readonly [string, RegExp])[] = [
      ['', /at byte 0: document: want an object/],
      ['{', /at byte 1: document: want a key in quotes/],
      ['{}x', /at byte 2: document: want nothing behind the document/],
      ['[]', /document: want an object/],
      ['{"dictionary":{"stringTable":[1]}}', /at byte 30: dictionary\.stringTable\[0\]: want a string/],
      ['{"dictionary":{"stringTable":["",]}}', /dictionary\.stringTable\[1\]: want a string/],
      ['{"dictionary":{"stringTable":[null]}}', /stringTable\[0\]: want a string/],
      ['{"dictionary":{"stringTable":["" ""]}}', /stringTable\[0\]: want "," or "]"/],
      ['{"dictionary":{},"dictionary":{}}', /dictionary: want a key only once/],
      [
        '{"dictionary":{"stringTable":[],"string_table":[]}}',
        /dictionary\.stringTable: want a key only once/,
      ],
      ['{"dictionary" {}}', /document: want ":"/],
      ['{"dictionary":{"linkTable":[{"traceId":"xyz"}]}}', /linkTable\[0\]\.traceId: want hex digits/],
      ['{"dictionary":{"linkTable":[{"traceId":"abcd"}]}}', /as protobuf: .*trace id of 2 bytes/],
      [
        '{"resourceProfiles":[{"scopeProfiles":[{"profiles":[{"originalPayload":"*"}]}]}]}',
        /originalPayload: want base64/,
      ],
      [
        '{"dictionary":{"stackTable":[{"locationIndices":[9]}]}}',
        /location index 9 is out of range \[0\.\.1\)/,
      ],
    ];
    for (const [text, message] of cases) refused(text, message);
  });

  it('writes a message whose fields are not sorted as protobuf reads it', () => {
    // Dictionary: string "", attribute, string "a"; and a dictionary in two pieces.
    const pieces = Buffer.concat([
      Buffer.from([0x12, 7, 0x2a, 0, 0x32, 0, 0x2a, 1, 0x61]),
      Buffer.from([0x12, 3, 0x2a, 1, 0x62]),
    ]);
    const json = Buffer.from(encodeOtlpJson(decodeOtlp(pieces))).toString();
    assert.deepEqual((JSON.parse(json) as { dictionary: { stringTable: string[] } }).dictionary.stringTable, [
      '',
      'a',
      'b',
    ]);
  });
});

describe('hostile OTLP/JSON', () => {
  it('is refused where values nest too deep', () => {
    let json = '{}';
    for (let level = 0; level < 1000; level++) json = `{"arrayValue":{"values":[${json}]}}`;
    refused(
      `{"dictionary":{"attributeTable":[{"value":${json}}]}}`,
      /no more than 32 nested attribute values/,
    );
  });

  it('takes memory in proportion where it is little but brackets', () => {
    const text = Buffer.from(`{"dictionary":{"stackTable":[${'{},'.repeat(1_000_000)}{}]}}`);
    const before = process.memoryUsage();
    const batch = decodeOtlpJson(text);
    const after = process.memoryUsage();
    assert.equal(batch.dictionary.tables.stacks.length, 1_000_001);
    const used = after.heapUsed + after.arrayBuffers - before.heapUsed - before.arrayBuffers;
    assert.ok(used < text.length * 10, `${used} bytes for ${text.length}`);
  });

  it('is refused or read, and never worse, when cut or changed anywhere', () => {
    const random = new Random(3);
    const whole = encodeOtlpJson(decodeOtlp(encode(randomOtlpRequest(random, true))));
    const outcome = (bytes: Uint8Array): number => {
      try {
        meaning(decodeOtlpJson(bytes));
        return 0;
      } catch (error) {
        assert.ok(error instanceof DecodeError, String(error));
        return 1;
      }
    };
    for (let end = 0; end < whole.length; end++) assert.equal(outcome(whole.subarray(0, end)), 1);
    let refusals = 0;
    for (let round = 0; round < 5_000; round++) {
      const bytes = Uint8Array.from(whole);
      for (let changes = 1 + random.below(3); changes > 0; changes--)
        bytes[random.below(bytes.length)] = '{}[]",:0e-\\n'.charCodeAt(random.below(12));
      refusals += outcome(bytes);
    }
    assert.ok(refusals > 2_000);
  });
});
