// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  defaultTextMapGetter,
  defaultTextMapSetter,
  ROOT_CONTEXT,
  type SpanContext,
  trace,
} from '@opentelemetry/api';
import { propagatorOf } from './propagation.ts';

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const SPAN = 'b7ad6b7169203331';
const both = propagatorOf(['tracecontext', 'b3']);

const read = (headers: object): SpanContext | undefined =>
  trace.getSpanContext(both.extract(ROOT_CONTEXT, headers, defaultTextMapGetter));

const write = (span: SpanContext): Record<string, string> => {
  const headers: Record<string, string> = {};
  both.inject(trace.setSpanContext(ROOT_CONTEXT, span), headers, defaultTextMapSetter);
  return headers;
};

describe('trace context', () => {
  it('is read from the headers of W3C and of B3', () => {
    const want = { traceId: TRACE, spanId: SPAN, traceFlags: 1, isRemote: true };
    for (const headers of [
      { traceparent: `00-${TRACE}-${SPAN}-01` },
      { traceparent: `01-${TRACE}-${SPAN}-03-later` },
      { b3: `${TRACE}-${SPAN}-1-0000000000000001` },
      { 'x-b3-traceid': TRACE.toUpperCase(), 'x-b3-spanid': SPAN, 'x-b3-sampled': '1' },
      { 'x-b3-traceid': TRACE, 'x-b3-spanid': SPAN, 'x-b3-flags': '1' },
    ]) {
      assert.deepEqual(read(headers), want, JSON.stringify(headers));
    }
    assert.equal(read({ b3: `${TRACE.slice(16)}-${SPAN}` })?.traceId, TRACE.slice(16).padStart(32, '0'));
    assert.equal(read({ traceparent: `00-${TRACE}-${SPAN}-00` })?.traceFlags, 0);
  });

  it('is none where headers are hostile or wrong', () => {
    for (const headers of [
      {},
      { traceparent: `00-${TRACE}-${SPAN}-01-more` },
      { traceparent: `ff-${TRACE}-${SPAN}-01` },
      { traceparent: `00-${'0'.repeat(32)}-${SPAN}-01` },
      { traceparent: `00-${TRACE}-${'0'.repeat(16)}-01` },
      { traceparent: `00-${TRACE.toUpperCase()}-${SPAN}-01` },
      { traceparent: [`00-${TRACE}-${SPAN}-01`, `00-${TRACE}-${SPAN}-01`] },
      { traceparent: 'x'.repeat(100_000) },
      { b3: '0' },
      { b3: `${TRACE}-zz` },
    ]) {
      assert.equal(read(headers), undefined, JSON.stringify(headers).slice(0, 80));
    }
  });

  it('passes the state on, where it is not too long', () => {
    const traceparent = `00-${TRACE}-${SPAN}-01`;
    const state = read({ traceparent, tracestate: 'vendor=1,other=2' });
    assert.ok(state !== undefined);
    assert.equal(write(state)['tracestate'], 'vendor=1,other=2');
    assert.equal(read({ traceparent, tracestate: `a=${'1'.repeat(600)}` })?.traceState, undefined);
  });

  it('is written in both forms', () => {
    assert.deepEqual(write({ traceId: TRACE, spanId: SPAN, traceFlags: 1 }), {
      traceparent: `00-${TRACE}-${SPAN}-01`,
      'x-b3-traceid': TRACE,
      'x-b3-spanid': SPAN,
      'x-b3-sampled': '1',
    });
  });
});
