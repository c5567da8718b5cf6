// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ROOT_CONTEXT, type SpanContext, SpanStatusCode, trace } from '@opentelemetry/api';
import { samplerSchema } from '../../config/telemetry-export.ts';
import { samplerOf } from './sampler.ts';
import type { EndedSpan } from './span.ts';
import { OwnTracer } from './tracer.ts';

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const parent = (traceFlags: number, isRemote = true): SpanContext => ({
  ...{ traceId: TRACE, spanId: 'b7ad6b7169203331', traceFlags, isRemote },
});
const sampler = (config: object) => samplerOf(samplerSchema.parse(config));

describe('a sampler', () => {
  it('does by default as the parent did, and keeps what has none', () => {
    const decide = samplerOf(undefined);
    assert.deepEqual(
      [undefined, parent(1), parent(0), parent(1, false), parent(0, false)].map((one) => decide(TRACE, one)),
      [true, true, false, true, false],
    );
  });

  it('does as it is configured', () => {
    assert.equal(sampler({ always_off: {} })(TRACE, parent(1)), false);
    assert.equal(sampler({ always_on: {} })(TRACE, parent(0)), true);
    const mixed = sampler({
      parent_based: { root: { always_off: {} }, remote_parent_not_sampled: { always_on: {} } },
    });
    assert.deepEqual(
      [mixed(TRACE, undefined), mixed(TRACE, parent(0)), mixed(TRACE, parent(0, false))],
      [false, true, false],
    );
  });

  it('keeps a share of the traces by their ids', () => {
    const decide = sampler({ trace_id_ratio_based: { ratio: 0.25 } });
    const id = (start: string): string => `${'1'.repeat(16)}${start}${'0'.repeat(14)}`;
    assert.deepEqual(
      ['00', '3f', '40', 'ff'].map((start) => decide(id(start), undefined)),
      [true, true, false, false],
    );
    assert.equal(sampler({ trace_id_ratio_based: { ratio: 1 } })(id('ff'), undefined), true);
    assert.equal(sampler({ trace_id_ratio_based: { ratio: 0 } })(id('00'), undefined), false);
  });
});

describe('a span', () => {
  it('is given away once, when it is over, with what was set until then', () => {
    const ended: EndedSpan[] = [];
    const tracer = new OwnTracer(samplerOf(undefined), (span) => ended.push(span));
    const above = trace.setSpanContext(ROOT_CONTEXT, parent(1));
    const span = tracer.startSpan('a', { attributes: { x: 1 }, startTime: 1_700_000_000_000 }, above);
    span.setAttribute('y', 'z').addEvent('e', { k: true });
    span.recordException(new TypeError('bad'));
    span.setStatus({ code: SpanStatusCode.ERROR, message: 'bad' });
    span.end(1_700_000_000_005);
    span.end();
    span.setAttribute('late', 1).updateName('late');
    assert.equal(ended.length, 1);
    const [one] = ended;
    assert.deepEqual(
      [one?.name, one?.context.traceId, one?.parentSpanId, one?.attributes, one?.status.message],
      ['a', TRACE, 'b7ad6b7169203331', { x: 1, y: 'z' }, 'bad'],
    );
    assert.equal((one?.endMs ?? 0) - (one?.startMs ?? 0), 5);
    assert.deepEqual(
      one?.events.map(({ name }) => name),
      ['e', 'exception'],
    );
    assert.equal(one?.events[1]?.attributes['exception.type'], 'TypeError');
  });

  it('keeps no more than its share of memory', () => {
    const ended: EndedSpan[] = [];
    const tracer = new OwnTracer(samplerOf(undefined), (span) => ended.push(span));
    const span = tracer.startSpan('a');
    for (let n = 0; n < 200; n++)
      span
        .setAttribute(`k${n}`, n)
        .addEvent(`e${n}`)
        .addLink({ context: parent(1) });
    span.end();
    const [one] = ended;
    assert.equal(Object.keys(one?.attributes ?? {}).length, 128);
    assert.deepEqual([one?.droppedAttributes, one?.events.length, one?.links.length], [72, 128, 128]);
  });
});
