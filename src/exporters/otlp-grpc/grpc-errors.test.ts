// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { status } from '@grpc/grpc-js';
import { PermanentError, RetryableError } from '../../consumer/consumer.ts';
import { GrpcError } from '../../grpc/status.ts';
import { errorTypeOf } from '../helper/delivery.ts';
import { fromGrpcError } from './grpc-errors.ts';

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
      const error = fromGrpcError(new GrpcError(code, 'why'));
      assert.ok(error instanceof (retryable.includes(name) ? RetryableError : PermanentError), name);
      assert.equal(errorTypeOf(error).toUpperCase(), name);
    }
  });

  it('may be retried when the receiver is exhausted and says when to come back', () => {
    const error = fromGrpcError(new GrpcError(status.RESOURCE_EXHAUSTED, 'busy', { retryAfterMs: 1_500 }));
    assert.ok(error instanceof RetryableError);
    assert.equal(error.retryAfterMs, 1_500);
  });

  it('are told as Go tells them', () => {
    const error = fromGrpcError(new GrpcError(status.INVALID_ARGUMENT, 'bad'));
    assert.ok(error instanceof Error);
    assert.equal(error.message, 'rpc error: code = InvalidArgument desc = bad');
    assert.equal(errorTypeOf(error), 'Invalid_Argument');
  });

  it('that are none are left as they are', () => {
    const reason = new Error('the exporter gave up');
    assert.equal(fromGrpcError(reason), reason);
  });
});
