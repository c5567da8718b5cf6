// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import { encodeOtlp } from '../../codecs/otlp/encode.ts';
import { batchFromFolded } from '../../pdata/folded.ts';
import { nested, plain, post, running } from './testing/running-receiver.ts';

const FOLDED = 'main;work 2';
const good = Buffer.from(encodeOtlp(batchFromFolded(FOLDED), { revision: '1.10' }));

const TABLES = { mapping: 0x0a, location: 0x12, function: 0x1a, link: 0x22, string: 0x2a, attribute: 0x32 };
const BAD_TEXT = Buffer.of(0xc3, 0x28);
const DICTIONARY = 0x12;
/** From the request to a Profile, a Sample. */
const PROFILE = [0x0a, 0x12, 0x12] as const;
const SAMPLE = [...PROFILE, 0x12] as const;
const NEGATIVE = [...Array<number>(9).fill(0xff), 1];

/** An AnyValue with arrays in each other. */
function deep(levels: number): Buffer {
  let value: Buffer = Buffer.alloc(0);
  for (let level = 0; level < levels; level++) value = nested(value, 0x2a, 0x0a);
  return value;
}

/** Requests that are refused as a whole, and what the sender is told. */
const REFUSED: Readonly<Record<string, readonly [Buffer, RegExp]>> = {
  'a length of 2^31': [Buffer.of(0x0a, 0x80, 0x80, 0x80, 0x80, 0x08), /length 2147483648 runs past the end/],
  'a length of 2^63': [Buffer.of(0x0a, ...Array<number>(9).fill(0x80), 1), /value over 32 bits/],
  'a length of eleven bytes': [
    Buffer.of(0x0a, ...Array<number>(10).fill(0x80), 1),
    /varint longer than 64 bits/,
  ],
  'a value 10,000 arrays deep in the dictionary': [
    nested(deep(10_000), DICTIONARY, TABLES.attribute, 0x12),
    /nested deeper than 32/,
  ],
  'a value 10,000 arrays deep in a resource': [
    nested(deep(10_000), 0x0a, 0x0a, 0x0a, 0x12),
    /nested deeper than 32/,
  ],
  'a million empty profiles': [
    nested(Buffer.alloc(2_000_000, Buffer.of(0x12, 0)), 0x0a, 0x12),
    /more than 3 times the message and 1048576 bytes/,
  ],
  'a million broken profiles': [
    Buffer.concat([good, nested(Buffer.alloc(3_000_000, Buffer.of(0x12, 1, 7)), 0x0a, 0x12)]),
    /at byte \d+: (field number 0|wire type 7)/,
  ],
  'a million empty resources': [Buffer.alloc(2_000_000, Buffer.of(0x0a, 0)), /more than 3 times the message/],
  'a negative stack index': [nested(Buffer.of(0x08, ...NEGATIVE, 0x22, 1, 1), ...SAMPLE), /negative index/],
  'a negative mapping index': [
    nested(Buffer.of(0x08, ...NEGATIVE), DICTIONARY, TABLES.location),
    /negative index/,
  ],
  'samples without a dictionary': [
    nested(Buffer.of(0x22, 1, 1), ...SAMPLE),
    /samples without a dictionary: OTLP 1\.3 to 1\.5/,
  ],
  'more values than timestamps': [
    Buffer.concat([
      nested(Buffer.of(0x22, 2, 1, 1, 0x29, 1, 0, 0, 0, 0, 0, 0, 0), ...SAMPLE),
      nested(Buffer.alloc(0), DICTIONARY, TABLES.string),
    ]),
    /sample with 2 values and 1 timestamps: want one value/,
  ],
  'samples of two revisions': [
    Buffer.concat([
      nested(Buffer.of(0x22, 1, 1), ...SAMPLE),
      nested(Buffer.of(0x1a, 1, 0, 0x10, 1), ...SAMPLE),
      nested(Buffer.alloc(0), DICTIONARY, TABLES.string),
    ]),
    /numbered as in OTLP 1\.9 and as in OTLP 1\.10/,
  ],
  'a second dictionary whose rows name none': [
    Buffer.concat([good, nested(Buffer.of(0x08, 0x7f), DICTIONARY, TABLES.location)]),
    /mapping index 127 is out of range/,
  ],
  ...Object.fromEntries(
    [3, 4, 6, 7].map((wire) => [
      `wire type ${wire}`,
      [Buffer.of((9 << 3) | wire), new RegExp(`wire type ${wire}`)],
    ]),
  ),
  ...Object.fromEntries(
    Object.entries({
      'the string table': [DICTIONARY, TABLES.string],
      'an attribute value': [DICTIONARY, TABLES.attribute, 0x12, 0x0a],
      'a key inside an attribute value': [DICTIONARY, TABLES.attribute, 0x12, 0x32, 0x0a, 0x0a],
      'a schema URL of a resource': [0x0a, 0x1a],
      'the key of a resource attribute': [0x0a, 0x0a, 0x0a, 0x0a],
      'the value of a resource attribute': [0x0a, 0x0a, 0x0a, 0x12, 0x0a],
      'a schema URL of a scope': [0x0a, 0x12, 0x1a],
      'a scope name': [0x0a, 0x12, 0x0a, 0x0a],
      'a scope version': [0x0a, 0x12, 0x0a, 0x12],
      'the key of a scope attribute': [0x0a, 0x12, 0x0a, 0x1a, 0x0a],
      'the format of an original payload': [...PROFILE, 0x4a],
    }).map(([name, tags]) => [
      `no UTF-8 in ${name}`,
      [nested(BAD_TEXT, ...tags), /string is not valid UTF-8/],
    ]),
  ),
};

describe('a hostile request', () => {
  it('is refused with INVALID_ARGUMENT and 400, by its reason, and the next one is taken', async (t) => {
    const { next, send, settings, url } = await running(t);
    for (const [name, [bytes, message]] of Object.entries(REFUSED)) {
      await assert.rejects(send(bytes), (error: { code?: number; details?: string }) => {
        assert.equal(error.code, 3, name);
        assert.match(error.details ?? '', message, name);
        return true;
      });
      const reply = await post(url, bytes);
      assert.equal(reply.status, 400, name);
      assert.match(String(plain('Status', Buffer.from(await reply.arrayBuffer()))['message']), message, name);
    }
    for (const transport of ['grpc', 'http']) {
      const refused = settings.meter.value('receiver_refused_requests', { transport, reason: 'malformed' });
      assert.equal(refused, Object.keys(REFUSED).length);
    }
    assert.equal(settings.meter.value('receiver_otlp_in_flight_bytes'), 0);
    assert.equal(settings.meter.value('receiver_otlp_requests'), 0);
    assert.equal(next.offered.length, 0);
    await send(good);
    assert.equal((await post(url, good)).status, 200);
    assert.equal(next.batches.length, 2);
  });

  it('is taken where it is only odd: empty, without zero rows, its dictionary in pieces', async (t) => {
    const { next, send, url } = await running(t);
    const sample = nested(Buffer.of(0x22, 1, 1), ...SAMPLE);
    const pieces = [
      nested(Buffer.from('main'), DICTIONARY, TABLES.string),
      nested(Buffer.of(0x08, 0), DICTIONARY, TABLES.function),
    ];
    for (const bytes of [Buffer.alloc(0), Buffer.concat([sample, ...pieces])]) {
      await send(bytes);
      assert.equal((await post(url, bytes)).status, 200);
    }
    assert.equal(next.batches.length, 2);
  });

  it('that is small and becomes large is refused before it does', async (t) => {
    const { settings, url } = await running(t);
    const bomb = gzipSync(Buffer.alloc(100_000_000));
    const reply = await post(url, bomb, { 'content-encoding': 'gzip' });
    assert.equal(reply.status, 413);
    assert.equal(
      settings.meter.value('receiver_refused_requests', { transport: 'http', reason: 'too_large' }),
      1,
    );
  });
});
