// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { DecodeError } from '../../internal/wire-reader.ts';
import { decodePprof } from './decode.ts';

/** Fields of a file, by hand: tag, length, content. */
const field = (number: number, ...content: readonly number[]): number[] => {
  assert.ok(content.length < 0x80);
  return [(number << 3) | 2, content.length, ...content];
};

/** `head` once, then `part` until the file has `sizeBytes`. */
function filled(head: readonly number[], part: readonly number[], sizeBytes: number): Uint8Array {
  const file = new Uint8Array(head.length + Math.ceil(sizeBytes / part.length) * part.length);
  file.set(head);
  for (let at = head.length; at < file.length; at += part.length) file.set(part, at);
  return file;
}

/** Memory outside of the heap that a call holds or held, as far as it shows, in bytes. */
function allocated(call: () => unknown): number {
  const before = process.memoryUsage().arrayBuffers;
  const kept = call();
  const bytes = process.memoryUsage().arrayBuffers - before;
  assert.ok(kept !== undefined);
  return bytes;
}

function outcome(file: Uint8Array): unknown {
  try {
    return decodePprof(file);
  } catch (error) {
    assert.ok(error instanceof DecodeError, String(error));
    return error;
  }
}

const MB = 1 << 20;
const noText = [0x32, 0];
const text = (value: string): number[] => field(6, ...Buffer.from(value));

describe('a hostile pprof file', () => {
  it('cannot have more memory than eight times its size', () => {
    const type = field(1);
    const files = {
      strings: filled(noText, noText, MB),
      'sample types': filled([...noText], type, MB),
      samples: filled([...noText, ...type], field(2, 0x10, 0), MB),
      'empty labels': filled([...noText, ...type], field(2, 0x10, 0, 0x1a, 0, 0x1a, 0), MB),
      'types without samples': filled([...noText, ...type], type, MB),
      comments: filled(noText, [0x68, 0], MB),
      locations: filled(noText, field(4, 0x08, 1), 100),
    };
    for (const [name, file] of Object.entries(files)) {
      const bytes = allocated(() => outcome(file));
      assert.ok(bytes <= 9 * file.length + 2 * MB, `${name}: ${(bytes / file.length).toFixed(1)} times`);
    }
  });

  it('is refused where one text in many values would take the memory', () => {
    const long = 'x'.repeat(120);
    const strings = [...noText, ...text('key'), ...text(long)];
    const comments = filled(strings, [0x68, 2], MB);
    assert.throws(() => decodePprof(comments), /more than 8 times the size of the file/);
  });

  it('costs linear time where one sample has every label, each many times', () => {
    const keys = Array.from({ length: 200 }, (_, i) => text(`key ${i}`)).flat();
    const label = (i: number): number[] => field(3, 0x08, (i & 0x7f) | 0x80, i >> 7, 0x18, 1);
    const labels = Array.from({ length: 10_000 }, (_, i) => label(1 + (i % 200))).flat();
    const content = [0x10, 0, ...labels];
    const length = [
      (content.length & 0x7f) | 0x80,
      ((content.length >> 7) & 0x7f) | 0x80,
      content.length >> 14,
    ];
    const batch = decodePprof(
      Uint8Array.from([...noText, ...keys, ...field(1), 0x12, ...length, ...content]),
    );
    const [found] = [...batch.profiles()];
    assert.equal(found?.profile.samples.attributes.values.length, 200);
    const [first = -1] = found?.profile.samples.attributes.values ?? [];
    const value = batch.dictionary.attributeValue(first);
    assert.equal(value.kind === 'array' && value.value.length, 50);
    assert.equal(batch.dictionary.attributeKey(first), 'key 0');
  });

  it('is refused where a field has another wire type or a tag that no writer writes', () => {
    for (const [bytes, reason] of [
      [[...noText, 0x10, 1], /field 2 has wire type 0/],
      [[...noText, ...field(5, 0x0d, 1, 0, 0, 0)], /field 1 has an unexpected tag or wire type 5/],
      [[...noText, ...field(4, 0x88, 0, 1)], /field 1 has an unexpected tag/],
      [[...noText, ...field(4, 0x08, 0xff)], /truncated varint/],
      [
        [...noText, ...field(4, 0x08, 1, 0x18, ...Array.from({ length: 9 }, () => 0xff), 2)],
        /longer than 64 bits/,
      ],
      [[...noText, 0x22, 5, 0x08, 1], /length 5 runs past the end/],
      [[...noText, ...field(1), ...field(2, 0x10, 0, 0x0a, 1, 0x81)], /truncated varint/],
    ] as const) {
      assert.throws(() => decodePprof(Uint8Array.from(bytes)), reason);
    }
  });
});
