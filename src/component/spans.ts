// SPDX-License-Identifier: Apache-2.0
import { type Attributes, SpanStatusCode, type Tracer } from '@opentelemetry/api';
import { recentSpans } from './recent-spans.ts';

/**
 * Runs `work` inside a span of this collector's own traces. A rejection is recorded on the span and
 * passed on. Without a registered SDK (`node --import` of one) spans cost next to nothing and go nowhere.
 */
export function withSpan<T>(
  tracer: Tracer,
  name: string,
  attributes: Attributes,
  work: () => Promise<T>,
): Promise<T> {
  const end = recentSpans.isListening ? recentSpans.begin(name, attributes) : undefined;
  let failure: Error | undefined;
  return tracer.startActiveSpan(name, { attributes }, async (span) => {
    try {
      return await work();
    } catch (error) {
      const exception = error instanceof Error ? error : new Error(String(error));
      failure = exception;
      span.recordException(exception);
      span.setStatus({ code: SpanStatusCode.ERROR, message: exception.message });
      throw error;
    } finally {
      span.end();
      end?.(failure);
    }
  });
}
