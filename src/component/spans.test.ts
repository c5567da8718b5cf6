// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { INVALID_SPAN_CONTEXT, type Span, trace, type Tracer } from '@opentelemetry/api';
import { withSpan } from './spans.ts';

/** A tracer that notes what happens to its spans. */
function noting(notes: string[]): Tracer {
  const span: Span = Object.assign(trace.wrapSpanContext(INVALID_SPAN_CONTEXT), {
    recordException: (error: unknown) => void notes.push(`exception ${String(error)}`),
    end: () => void notes.push('end'),
  });
  const run = (name: string, ...rest: unknown[]): unknown => {
    const [options] = rest;
    notes.push(`start ${name} ${JSON.stringify(options)}`);
    const work = rest.at(-1);
    return typeof work === 'function' ? Reflect.apply(work, undefined, [span]) : undefined;
  };
  return { startSpan: () => span, startActiveSpan: run };
}

describe('spans', () => {
  it('begin with their attributes and end with the work', async () => {
    const notes: string[] = [];
    assert.equal(await withSpan(noting(notes), 'exporter/x/profiles', { samples: 3 }, async () => 7), 7);
    assert.deepEqual(notes, ['start exporter/x/profiles {"attributes":{"samples":3},"links":[]}', 'end']);
  });

  it('record what the work throws, and pass it on', async () => {
    const notes: string[] = [];
    const failing = withSpan(noting(notes), 'a', {}, async () => {
      throw new Error('no');
    });
    await assert.rejects(failing, /no/);
    assert.deepEqual(notes.slice(1), ['exception Error: no', 'end']);
  });
});
