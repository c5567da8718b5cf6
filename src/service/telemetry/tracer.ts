// SPDX-License-Identifier: Apache-2.0
import { getRandomValues } from 'node:crypto';
import {
  type Context,
  context as contexts,
  isSpanContextValid,
  type Span,
  type SpanContext,
  SpanKind,
  type SpanOptions,
  trace,
  TraceFlags,
  type Tracer,
} from '@opentelemetry/api';
import type { Sampler } from './sampler.ts';
import { type EndedSpan, RecordedSpan, toMs } from './span.ts';

/** Makes spans, of which those that the sampler keeps are given to `onEnd` when they are over. */
export class OwnTracer implements Tracer {
  readonly #sampler: Sampler;
  readonly #onEnd: (span: EndedSpan) => void;

  constructor(sampler: Sampler, onEnd: (span: EndedSpan) => void) {
    this.#sampler = sampler;
    this.#onEnd = onEnd;
  }

  startSpan(name: string, options: SpanOptions = {}, within: Context = contexts.active()): Span {
    const known = options.root === true ? undefined : trace.getSpanContext(within);
    const parent = known !== undefined && isSpanContextValid(known) ? known : undefined;
    const traceId = parent?.traceId ?? randomId(16);
    const isSampled = this.#sampler(traceId, parent);
    const context: SpanContext = {
      traceId,
      spanId: randomId(8),
      traceFlags: isSampled ? TraceFlags.SAMPLED : TraceFlags.NONE,
      ...(parent?.traceState && { traceState: parent.traceState }),
    };
    if (!isSampled) return trace.wrapSpanContext(context);
    const { kind = SpanKind.INTERNAL, attributes = {}, links = [] } = options;
    const start = { name, kind, context, parentSpanId: parent?.spanId, attributes, links };
    return new RecordedSpan({ ...start, startMs: toMs(options.startTime) }, this.#onEnd);
  }

  startActiveSpan<F extends (span: Span) => unknown>(name: string, fn: F): ReturnType<F>;
  startActiveSpan<F extends (span: Span) => unknown>(
    name: string,
    options: SpanOptions,
    fn: F,
  ): ReturnType<F>;
  startActiveSpan<F extends (span: Span) => unknown>(
    name: string,
    options: SpanOptions,
    within: Context,
    fn: F,
  ): ReturnType<F>;
  startActiveSpan(name: string, ...rest: readonly unknown[]): unknown {
    const fn = rest.at(-1) as (span: Span) => unknown;
    const options = rest.length > 1 ? (rest[0] as SpanOptions) : {};
    const within = rest.length > 2 ? (rest[1] as Context) : contexts.active();
    const span = this.startSpan(name, options, within);
    return contexts.with(trace.setSpan(within, span), () => fn(span));
  }
}

/** Hexadecimal, never all zero. */
function randomId(bytes: number): string {
  for (;;) {
    const id = Buffer.from(getRandomValues(new Uint8Array(bytes))).toString('hex');
    if (/[1-9a-f]/.test(id)) return id;
  }
}
