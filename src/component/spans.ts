// SPDX-License-Identifier: Apache-2.0
import { type Attributes, SpanStatusCode, type Tracer } from '@opentelemetry/api';

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
  return tracer.startActiveSpan(name, { attributes }, async (span) => {
    try {
      return await work();
    } catch (error) {
      const exception = error instanceof Error ? error : new Error(String(error));
      span.recordException(exception);
      span.setStatus({ code: SpanStatusCode.ERROR, message: exception.message });
      throw error;
    } finally {
      span.end();
    }
  });
}
