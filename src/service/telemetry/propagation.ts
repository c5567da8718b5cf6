// SPDX-License-Identifier: Apache-2.0
import { AsyncLocalStorage } from 'node:async_hooks';
import {
  type Context,
  type ContextManager,
  context as contexts,
  createTraceState,
  isSpanContextValid,
  propagation,
  ROOT_CONTEXT,
  type SpanContext,
  type TextMapGetter,
  type TextMapPropagator,
  type TextMapSetter,
  trace,
  TraceFlags,
} from '@opentelemetry/api';

/** A format of trace context. */
export type PropagatorName = 'tracecontext' | 'b3';

const TRACEPARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
/** Of W3C's tracestate. */
const MAX_STATE_LENGTH = 512;

/** Source: https://www.w3.org/TR/trace-context/ */
const tracecontext: TextMapPropagator = {
  fields: () => ['traceparent', 'tracestate'],
  inject<Carrier>(context: Context, carrier: Carrier, setter: TextMapSetter<Carrier>): void {
    const span = trace.getSpanContext(context);
    if (span === undefined || !isSpanContextValid(span)) return;
    const flags = (span.traceFlags & 0xff).toString(16).padStart(2, '0');
    setter.set(carrier, 'traceparent', `00-${span.traceId}-${span.spanId}-${flags}`);
    const state = span.traceState?.serialize() ?? '';
    if (state !== '') setter.set(carrier, 'tracestate', state);
  },
  extract<Carrier>(context: Context, carrier: Carrier, getter: TextMapGetter<Carrier>): Context {
    const match = TRACEPARENT.exec(one(getter.get(carrier, 'traceparent')) ?? '');
    if (match === null) return context;
    const [, version = '', traceId = '', spanId = '', flags = '', more] = match;
    // Later versions may say more; this one may not.
    if (version === 'ff' || (version === '00' && more !== undefined)) return context;
    const state = one(getter.get(carrier, 'tracestate'));
    return withRemote(context, {
      ...{ traceId, spanId, traceFlags: Number.parseInt(flags, 16) & TraceFlags.SAMPLED, isRemote: true },
      ...(state !== undefined && state.length <= MAX_STATE_LENGTH && { traceState: createTraceState(state) }),
    });
  },
};

/** Written as several headers, read as several or as one. Source: https://github.com/openzipkin/b3-propagation */
const b3: TextMapPropagator = {
  fields: () => ['b3', 'x-b3-traceid', 'x-b3-spanid', 'x-b3-sampled', 'x-b3-flags'],
  inject<Carrier>(context: Context, carrier: Carrier, setter: TextMapSetter<Carrier>): void {
    const span = trace.getSpanContext(context);
    if (span === undefined || !isSpanContextValid(span)) return;
    setter.set(carrier, 'x-b3-traceid', span.traceId);
    setter.set(carrier, 'x-b3-spanid', span.spanId);
    setter.set(carrier, 'x-b3-sampled', (span.traceFlags & TraceFlags.SAMPLED) === 0 ? '0' : '1');
  },
  extract<Carrier>(context: Context, carrier: Carrier, getter: TextMapGetter<Carrier>): Context {
    const get = (name: string): string => one(getter.get(carrier, name)) ?? '';
    const single = get('b3').split('-');
    const isSingle = single.length >= 2;
    const trace64 = isSingle ? (single[0] ?? '') : get('x-b3-traceid');
    const spanId = isSingle ? (single[1] ?? '') : get('x-b3-spanid');
    const decision = isSingle ? (single[2] ?? '') : get('x-b3-flags') === '1' ? 'd' : get('x-b3-sampled');
    if (!/^(?:[0-9a-f]{16}|[0-9a-f]{32})$/i.test(trace64) || !/^[0-9a-f]{16}$/i.test(spanId)) return context;
    const isSampled = ['1', 'd', 'true'].includes(decision.toLowerCase());
    return withRemote(context, {
      traceId: trace64.toLowerCase().padStart(32, '0'),
      spanId: spanId.toLowerCase(),
      traceFlags: isSampled ? TraceFlags.SAMPLED : TraceFlags.NONE,
      isRemote: true,
    });
  },
};

const PROPAGATORS: Readonly<Record<PropagatorName, TextMapPropagator>> = { tracecontext, b3 };

function withRemote(context: Context, span: SpanContext): Context {
  return isSpanContextValid(span) ? trace.setSpanContext(context, span) : context;
}

const one = (value: undefined | string | string[]): string | undefined =>
  typeof value === 'string' ? value : value?.length === 1 ? value[0] : undefined;

/** Reads and writes trace context in these formats; of those that are read, the last that is there counts. */
export function propagatorOf(names: readonly PropagatorName[]): TextMapPropagator {
  const all = names.map((name) => PROPAGATORS[name]);
  return {
    fields: () => all.flatMap((propagator) => propagator.fields()),
    inject: (context, carrier, setter) => all.forEach((p) => p.inject(context, carrier, setter)),
    extract: (context, carrier, getter) =>
      all.reduce((known, propagator) => propagator.extract(known, carrier, getter), context),
  };
}

/** Keeps the context of what is awaited. */
class AsyncContexts implements ContextManager {
  readonly #storage = new AsyncLocalStorage<Context>();

  active(): Context {
    return this.#storage.getStore() ?? ROOT_CONTEXT;
  }

  with<A extends unknown[], F extends (...args: A) => ReturnType<F>>(
    context: Context,
    fn: F,
    thisArg?: ThisParameterType<F>,
    ...args: A
  ): ReturnType<F> {
    return this.#storage.run(context, () => fn.call(thisArg as ThisParameterType<F>, ...args));
  }

  bind<T>(context: Context, target: T): T {
    if (typeof target !== 'function') return target;
    const bound = (...args: unknown[]): unknown =>
      this.#storage.run(context, () => Reflect.apply(target, undefined, args));
    return bound as T;
  }

  enable(): this {
    return this;
  }

  disable(): this {
    this.#storage.disable();
    return this;
  }
}

/**
 * Makes contexts follow what is awaited, in the whole process, and has clients and servers of the components
 * pass them on. Where an SDK was registered before (`node --import`), that one stays. The function that it
 * gives back ends the passing on.
 */
export function startPropagation(names: readonly PropagatorName[]): () => void {
  const manager = new AsyncContexts();
  const hasContexts = contexts.setGlobalContextManager(manager);
  const isOurs = propagation.setGlobalPropagator(propagatorOf(names));
  return () => {
    if (isOurs) propagation.disable();
    if (hasContexts) contexts.disable();
  };
}
