// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { type Hold, MessageError, messagePrefix, MessageReader } from '../../src/grpc/message.ts';
import type { Random } from '../../src/internal/testing/otlp-random.ts';
import { choicesOf, type FuzzTarget, type Outcome } from './target.ts';

const MAX_BYTES = 128 * 1024;

/** A message behind its prefix; short, or longer than the reader's first buffer. */
function messageSeed(random: Random): Uint8Array {
  const length = random.below(random.below(8) === 0 ? MAX_BYTES + 100 : 200);
  const body = Buffer.alloc(length, random.bytes(1 + random.below(20)));
  return new Uint8Array(Buffer.concat([messagePrefix(length, random.below(2) === 0), body]));
}

/**
 * Any stream is a message or MessageError, the same however it is cut into pieces. No more memory is held
 * than the largest message may have, nor more than eight times what came once that is much.
 */
export const grpcMessageTarget: FuzzTarget = {
  name: 'grpc-message',
  seed: messageSeed,
  run(input): Outcome {
    const stream = Buffer.from(input);
    const whole = read([stream]);
    assert.deepEqual(read(piecesOf(choicesOf(input), stream)), whole, 'pieces make a difference');
    if ('reason' in whole) return 'refused';
    assert.equal(whole.bytes, stream.subarray(5).toString('base64'));
    return 'accepted';
  },
};

type Result = { readonly reason: string } | { readonly isCompressed: boolean; readonly bytes: string };

function read(pieces: readonly Buffer[]): Result {
  let held = 0;
  let came = 0;
  const hold: Hold = {
    grow(bytes) {
      held += bytes;
      assert.ok(bytes >= 0 && held <= MAX_BYTES, `${held} bytes are held`);
      assert.ok(held <= Math.max(64 * 1024, came * 8), `${held} bytes are held for ${came} that came`);
      return true;
    },
    release() {
      held = 0;
    },
  };
  const reader = new MessageReader(MAX_BYTES, hold);
  try {
    for (const piece of pieces) {
      came += piece.length;
      reader.push(piece);
    }
    const { isCompressed, bytes } = reader.finish();
    return { isCompressed, bytes: bytes.toString('base64') };
  } catch (error) {
    if (error instanceof MessageError) return { reason: error.reason };
    throw error;
  }
}

function piecesOf(random: Random, stream: Buffer): Buffer[] {
  const pieces: Buffer[] = [];
  for (let at = 0; at < stream.length; ) {
    const length = random.below(random.below(3) === 0 ? 4 : Math.max(8, stream.length / 4));
    pieces.push(stream.subarray(at, at + length));
    at += length;
  }
  return pieces;
}
