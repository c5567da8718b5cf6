// SPDX-License-Identifier: Apache-2.0
import {
  type Attributes,
  type Exception,
  type Link,
  type Span,
  type SpanContext,
  type SpanKind,
  type SpanStatus,
  SpanStatusCode,
  type TimeInput,
} from '@opentelemetry/api';

/** Of each span; more are counted and left out. */
const MAX_ATTRIBUTES = 128;
const MAX_EVENTS = 128;
const MAX_LINKS = 128;
/** Of a stack trace or message. */
const MAX_TEXT = 8_192;

/** Something that happened in a span. */
export interface SpanEvent {
  readonly name: string;
  readonly attributes: Attributes;
  readonly timeMs: number;
}

/** A span that is over. Times are milliseconds since the Unix epoch, with fractions. */
export interface EndedSpan {
  readonly name: string;
  readonly kind: SpanKind;
  readonly context: SpanContext;
  readonly parentSpanId: string | undefined;
  readonly startMs: number;
  readonly endMs: number;
  readonly attributes: Attributes;
  readonly droppedAttributes: number;
  readonly events: readonly SpanEvent[];
  readonly links: readonly Link[];
  readonly status: SpanStatus;
}

/** What a span begins with. */
export interface SpanStart {
  readonly name: string;
  readonly kind: SpanKind;
  readonly context: SpanContext;
  readonly parentSpanId: string | undefined;
  readonly attributes: Attributes;
  readonly links: readonly Link[];
  readonly startMs: number | undefined;
}

/** Now, finer than Date.now() and never back. */
const nowMs = (): number => performance.timeOrigin + performance.now();

/** A span that is recorded, and given to `onEnd` when it is over. */
export class RecordedSpan implements Span {
  readonly #start: SpanStart;
  readonly #startMs: number;
  readonly #onEnd: (span: EndedSpan) => void;
  #name: string;
  #attributes: Attributes = {};
  #attributeCount = 0;
  #dropped = 0;
  readonly #events: SpanEvent[] = [];
  readonly #links: Link[];
  #status: SpanStatus = { code: SpanStatusCode.UNSET };
  #isOver = false;

  constructor(start: SpanStart, onEnd: (span: EndedSpan) => void) {
    this.#start = start;
    this.#startMs = start.startMs ?? nowMs();
    this.#name = start.name;
    this.#links = start.links.slice(0, MAX_LINKS);
    this.#onEnd = onEnd;
    this.setAttributes(start.attributes);
  }

  spanContext(): SpanContext {
    return this.#start.context;
  }

  setAttribute(key: string, value: Attributes[string]): this {
    if (this.#isOver) return this;
    if (!Object.hasOwn(this.#attributes, key) && this.#attributeCount++ >= MAX_ATTRIBUTES) this.#dropped++;
    else this.#attributes[key] = value;
    return this;
  }

  setAttributes(attributes: Attributes): this {
    for (const [key, value] of Object.entries(attributes)) this.setAttribute(key, value);
    return this;
  }

  addEvent(name: string, attributesOrTime?: Attributes | TimeInput, time?: TimeInput): this {
    if (this.#isOver || this.#events.length >= MAX_EVENTS) return this;
    const isTime = isTimeInput(attributesOrTime);
    const attributes = isTime ? {} : (attributesOrTime ?? {});
    this.#events.push({ name, attributes, timeMs: toMs(isTime ? attributesOrTime : time) ?? nowMs() });
    return this;
  }

  addLink(link: Link): this {
    return this.addLinks([link]);
  }

  addLinks(links: Link[]): this {
    if (!this.#isOver) this.#links.push(...links.slice(0, MAX_LINKS - this.#links.length));
    return this;
  }

  setStatus(status: SpanStatus): this {
    if (!this.#isOver) this.#status = { ...status, message: (status.message ?? '').slice(0, MAX_TEXT) };
    return this;
  }

  updateName(name: string): this {
    if (!this.#isOver) this.#name = name;
    return this;
  }

  isRecording(): boolean {
    return !this.#isOver;
  }

  /** Source: https://opentelemetry.io/docs/specs/semconv/exceptions/exceptions-spans/ */
  recordException(exception: Exception, time?: TimeInput): void {
    const { name, message, stack } =
      typeof exception === 'string'
        ? { name: undefined, message: exception, stack: undefined }
        : { name: exception.name, message: exception.message, stack: exception.stack };
    this.addEvent(
      'exception',
      {
        ...(name !== undefined && { 'exception.type': name }),
        ...(message !== undefined && { 'exception.message': message.slice(0, MAX_TEXT) }),
        ...(stack !== undefined && { 'exception.stacktrace': stack.slice(0, MAX_TEXT) }),
      },
      time,
    );
  }

  end(endTime?: TimeInput): void {
    if (this.#isOver) return;
    this.#isOver = true;
    const { kind, context, parentSpanId } = this.#start;
    this.#onEnd({
      ...{ name: this.#name, kind, context, parentSpanId, startMs: this.#startMs },
      endMs: Math.max(this.#startMs, toMs(endTime) ?? nowMs()),
      ...{ attributes: this.#attributes, droppedAttributes: this.#dropped },
      ...{ events: this.#events, links: this.#links, status: this.#status },
    });
  }
}

const isTimeInput = (value: unknown): value is TimeInput =>
  typeof value === 'number' || value instanceof Date || Array.isArray(value);

/** Milliseconds since the Unix epoch; a number below the start of this process is one of performance.now(). */
export function toMs(time: TimeInput | undefined): number | undefined {
  if (time === undefined) return undefined;
  if (time instanceof Date) return time.getTime();
  if (typeof time !== 'number') return time[0] * 1e3 + time[1] / 1e6;
  return time < performance.timeOrigin ? performance.timeOrigin + time : time;
}
