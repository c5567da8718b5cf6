// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { didYouMean, suggest } from './suggest.ts';

describe('a suggestion', () => {
  it('is the nearest word', () => {
    const words = ['endpoint', 'compression', 'headers', 'timeout'];
    assert.equal(suggest('endpont', words), 'endpoint');
    assert.equal(suggest('Header', words), 'headers');
    assert.equal(suggest('tiemout', words), 'timeout');
    assert.equal(suggest('otpl', ['nop', 'otlp']), 'otlp');
  });

  it('is not made where nothing is near, nor for the word itself', () => {
    assert.equal(suggest('zpages', ['health_check', 'pprof']), undefined);
    assert.equal(suggest('a', ['b', 'c']), undefined);
    assert.equal(suggest('same', ['same']), undefined);
    assert.equal(suggest('', ['x']), undefined);
  });

  it('ends a message', () => {
    assert.equal(didYouMean('endpont', ['endpoint']), ' — did you mean "endpoint"?');
    assert.equal(didYouMean('xyz', ['endpoint']), '');
  });
});
