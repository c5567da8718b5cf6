// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ReverseWriter } from '../../internal/wire-writer.ts';
import { partialSuccess, statusMessage } from './otlp-response.ts';

const json = (value: unknown): Uint8Array => Buffer.from(JSON.stringify(value));

describe('partial success', () => {
  it('is read with count and message', () => {
    const w = new ReverseWriter();
    w.stringField(2, 'too old');
    w.int64Field(1, 3n);
    w.message(1, 0);
    const expected = { rejectedProfiles: 3, message: 'too old' };
    assert.deepEqual(partialSuccess(w.finish()), expected);
    for (const text of [
      { partialSuccess: { rejectedProfiles: '3', errorMessage: 'too old' } },
      { partial_success: { rejected_profiles: 3, error_message: 'too old' } },
    ]) {
      assert.deepEqual(partialSuccess(json(text), 'json'), expected);
    }
  });

  it('is no partial success when it is empty', () => {
    assert.equal(partialSuccess(new Uint8Array(0)), undefined);
    assert.equal(partialSuccess(Uint8Array.of(0x0a, 0)), undefined);
    for (const text of [{}, { partialSuccess: {} }, { partialSuccess: null }, [], null]) {
      assert.equal(partialSuccess(json(text), 'json'), undefined);
    }
    assert.equal(partialSuccess(new Uint8Array(0), 'json'), undefined);
  });

  it('that cannot be read is told, and is no reason to send again', () => {
    assert.match(partialSuccess(Uint8Array.of(0x0a, 9))?.message ?? '', /^the response cannot be read: /);
    assert.match(
      partialSuccess(Buffer.from('<html>'), 'json')?.message ?? '',
      /^the response cannot be read: /,
    );
  });
});

describe('the message of a google.rpc.Status', () => {
  it('is read in both encodings', () => {
    const w = new ReverseWriter();
    w.stringField(2, 'bad profile');
    w.int32Field(1, 3);
    assert.equal(statusMessage(w.finish(), 'proto'), 'bad profile');
    assert.equal(statusMessage(json({ code: 3, message: 'bad profile' }), 'json'), 'bad profile');
  });

  it('is undefined where there is none', () => {
    assert.equal(statusMessage(Buffer.from('<html>'), 'json'), undefined);
    assert.equal(statusMessage(Buffer.from('<html>'), 'proto'), undefined);
    assert.equal(statusMessage(json({ message: 7 }), 'json'), undefined);
  });
});
