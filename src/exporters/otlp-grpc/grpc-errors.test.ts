// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Metadata, status } from '@grpc/grpc-js';
import { RetryableError } from '../../consumer/consumer.ts';
import { ReverseWriter } from '../../internal/wire-writer.ts';
import { errorTypeOf } from '../helper/delivery.ts';
import { fromServiceError, partialSuccess } from './grpc-errors.ts';

function serviceError(code: number, details = 'why', metadata = new Metadata()) {
  return Object.assign(new Error(details), { code, details, metadata });
}

/** google.rpc.Status with a RetryInfo of 1.5 seconds. */
function retryInfo(): Metadata {
  const w = new ReverseWriter();
  w.int64Field(2, 500_000_000n);
  w.int64Field(1, 1n);
  w.message(1, 0);
  const info = w.finish();
  const any = new ReverseWriter();
  any.bytesField(2, info);
  any.stringField(1, 'type.googleapis.com/google.rpc.RetryInfo');
  any.message(3, 0);
  any.int32Field(1, status.RESOURCE_EXHAUSTED);
  const metadata = new Metadata();
  metadata.set('grpc-status-details-bin', Buffer.from(any.finish()));
  return metadata;
}

describe('errors of gRPC', () => {
  it('may be retried where OTLP says so', () => {
    const retryable = [
      'CANCELLED',
      'DEADLINE_EXCEEDED',
      'ABORTED',
      'OUT_OF_RANGE',
      'UNAVAILABLE',
      'DATA_LOSS',
    ];
    for (const [name, code] of Object.entries(status)) {
      if (typeof code !== 'number' || code === status.OK) continue;
      const { name: kind } = fromServiceError(serviceError(code));
      assert.equal(kind, retryable.includes(name) ? 'RetryableError' : 'PermanentError', name);
    }
  });

  it('may be retried when the receiver is exhausted and says when to come back', () => {
    const error = fromServiceError(serviceError(status.RESOURCE_EXHAUSTED, 'busy', retryInfo()));
    assert.ok(error instanceof RetryableError);
    assert.equal(error.retryAfterMs, 1_500);
  });

  it('keep their code when the details cannot be read', () => {
    const metadata = new Metadata();
    metadata.set('grpc-status-details-bin', Buffer.from([0x1a, 0x7f]));
    const error = fromServiceError(serviceError(status.UNAVAILABLE, 'down', metadata));
    assert.equal(error.message, 'rpc error: code = Unavailable desc = down');
    assert.equal(errorTypeOf(error), 'Unavailable');
  });

  it('count as unavailable when the connection broke under the call', () => {
    const details =
      'Received RST_STREAM with code 2 triggered by internal client error: Session closed with error code 2';
    assert.equal(errorTypeOf(fromServiceError(serviceError(status.INTERNAL, details))), 'Unavailable');
    assert.equal(fromServiceError(serviceError(status.INTERNAL, 'panic')).name, 'PermanentError');
  });
});

describe('partial success', () => {
  it('is read with count and message', () => {
    const w = new ReverseWriter();
    w.stringField(2, 'too old');
    w.int64Field(1, 3n);
    w.message(1, 0);
    assert.deepEqual(partialSuccess(w.finish()), { rejectedProfiles: 3, message: 'too old' });
  });

  it('is no partial success when it is empty', () => {
    assert.equal(partialSuccess(new Uint8Array(0)), undefined);
    assert.equal(partialSuccess(Uint8Array.of(0x0a, 0)), undefined);
  });
});
