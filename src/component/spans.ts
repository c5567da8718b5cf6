// SPDX-License-Identifier: Apache-2.0
import {
  type Attributes,
  type Context,
  context,
  propagation,
  ROOT_CONTEXT,
  SpanStatusCode,
  trace,
  type Tracer,
} from '@opentelemetry/api';
import { recentSpans } from './recent-spans.ts';

/**
 * Runs `work` inside a span of this collector's own traces. A rejection is recorded on the span and
 * passed on. Where spans are not exported (`service::telemetry::traces::processors`, or an SDK that was loaded
 * with `node --import`) they cost next to nothing and go nowhere.
 *
 * `origins`: for work that was put off, the contexts in which it was handed over. The span belongs to the
 * only one, or is a trace of its own with a link to each of several.
 */
export function withSpan<T>(
  tracer: Tracer,
  name: string,
  attributes: Attributes,
  work: () => Promise<T>,
  origins: readonly Context[] = [context.active()],
): Promise<T> {
  const end = recentSpans.isListening ? recentSpans.begin(name, attributes) : undefined;
  let failure: Error | undefined;
  const [only] = origins;
  const parent = origins.length === 1 && only !== undefined ? only : ROOT_CONTEXT;
  const links = origins.length > 1 ? linksTo(origins) : [];
  return tracer.startActiveSpan(name, { attributes, links }, parent, async (span) => {
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

/** Links beyond these say nothing more. */
const MAX_LINKS = 128;

function linksTo(origins: readonly Context[]) {
  const known = new Map(
    origins.flatMap((origin) => {
      const span = trace.getSpanContext(origin);
      return span === undefined ? [] : [[span.spanId, { context: span }] as const];
    }),
  );
  return [...known.values()].slice(0, MAX_LINKS);
}

/** The context of now, for `origins` of work that is put off. */
export function currentContext(): Context {
  return context.active();
}

/** The headers of a request with those that tell its receiver of the span in which it is made, if any. */
export function withTraceHeaders(
  headers: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  const added: Record<string, string> = {};
  propagation.inject(context.active(), added);
  // What was configured stands.
  return Object.keys(added).length === 0 ? headers : { ...added, ...headers };
}

/** Runs `work` as part of the trace that the headers of a request name, if they do and traces are on. */
export function withinTraceOf<T>(headers: object, work: () => T): T {
  return context.with(propagation.extract(context.active(), headers), work);
}
