// SPDX-License-Identifier: Apache-2.0
import { stringValue } from '../../pdata/any-value.ts';
import type { DictionaryBuilder } from '../../pdata/dictionary-builder.ts';
import { WordRows } from '../../pdata/rows.ts';
import { Slot } from './events.ts';
import type { LabelsSnapshot } from './labels.ts';

/** Slots that tie a sample to labels and spans, in the order of the words of a row. */
const FIELDS = [Slot.context, Slot.span, Slot.spanName, Slot.traceHigh, Slot.traceLow] as const;

const SPAN_ID = /^[\da-f]{16}$/i;
const TRACE_ID = /^[\da-f]{32}$/i;

/** Labels that say what a link says: Pyroscope renames the first to the second. */
const SPAN_LABELS = new Set(['profile_id', 'span_id']);
const TRACE_LABEL = 'trace_id';
const SPAN_NAME = 'span_name';

/** Link and attributes of a sample in one dictionary. */
interface CorrelationRows {
  readonly link: number;
  readonly attributes: readonly number[];
}

/** Gives rows of correlations as link and attributes. */
export type CorrelationWriter = (row: number) => CorrelationRows;

/** What a context's labels are in one dictionary; ids that are labels are in hex. */
interface ContextRows {
  readonly span: string | undefined;
  readonly trace: string | undefined;
  readonly attributes: readonly number[];
}

const NOTHING: CorrelationRows = { link: 0, attributes: [] };

/** So many of them; each may become a link and a list of attributes. */
const MAX_CORRELATIONS = 1 << 18;

/** What samples are tied to: the labels of a context, a span and its name, a trace. Row 0 is nothing. */
export class Correlations {
  readonly #labels: LabelsSnapshot;
  readonly #rows = new WordRows();
  readonly #losses: { correlations: number };

  /** `losses` is told of samples that are tied to nothing because there are too many that differ. */
  constructor(labels: LabelsSnapshot, losses: { correlations: number }) {
    this.#labels = labels;
    this.#losses = losses;
    for (let i = 0; i < FIELDS.length * 2; i++) this.#rows.push(0);
    this.#rows.intern();
  }

  /** The row of what an event's slots say. */
  add(slots: Int32Array): number {
    let any = 0;
    for (let i = Slot.context * 2; i < Slot.traceLow * 2 + 2; i++) any |= slots[i] as number;
    if (any === 0) return 0;
    if (this.#rows.length === MAX_CORRELATIONS) {
      this.#losses.correlations++;
      return 0;
    }
    for (let i = Slot.context * 2; i < Slot.traceLow * 2 + 2; i++) this.#rows.push(slots[i] as number);
    return this.#rows.intern();
  }

  /** Gives rows as link and attributes in a dictionary. Labels whose strings the snapshot does not have are left out. */
  writer(builder: DictionaryBuilder): CorrelationWriter {
    const contexts = new Map<bigint, ContextRows>();
    const made = new Map<number, CorrelationRows>([[0, NOTHING]]);
    const make = (row: number): CorrelationRows => {
      const [context = 0n, span = 0n, spanName = 0n, high = 0n, low = 0n] = FIELDS.map((_, i) =>
        this.#word(row, i),
      );
      const labels = contexts.get(context) ?? this.#context(context, builder);
      contexts.set(context, labels);
      const name = spanName === 0n ? '' : (this.#labels.strings.get(spanName) ?? '');
      const named = name === '' ? [] : [builder.attributeOf(SPAN_NAME, stringValue(name))];
      const trace = labels.trace ?? hex(high) + hex(low);
      const link = builder.link(Buffer.from(trace, 'hex'), Buffer.from(labels.span ?? hex(span), 'hex'));
      return { link, attributes: [...labels.attributes, ...named] };
    };
    return (row) => {
      let rows = made.get(row);
      if (rows === undefined) made.set(row, (rows = make(row)));
      return rows;
    };
  }

  #context(context: bigint, builder: DictionaryBuilder): ContextRows {
    const attributes: number[] = [];
    let span: string | undefined;
    let trace: string | undefined;
    for (const [key, value] of this.#labelsOf(context)) {
      if (SPAN_LABELS.has(key) && SPAN_ID.test(value)) span = value;
      else if (key === TRACE_LABEL && TRACE_ID.test(value)) trace = value;
      else attributes.push(builder.attributeOf(key, stringValue(value)));
    }
    return { span, trace, attributes };
  }

  /** Sorted by name, so that equal labels are equal lists. */
  #labelsOf(context: bigint): [string, string][] {
    const { contexts, strings } = this.#labels;
    const labels = [...(contexts.get(context) ?? [])]
      .map(([key, value]): [string, string] => [strings.get(key) ?? '', strings.get(value) ?? ''])
      .filter(([key, value]) => key !== '' && value !== '');
    return [...new Map(labels)].sort(([a], [b]) => (a < b ? -1 : 1));
  }

  #word(row: number, field: number): bigint {
    const { words, starts } = this.#rows;
    const at = (starts[row] ?? 0) + field * 2;
    return BigInt.asIntN(64, (BigInt(words[at + 1] ?? 0) << 32n) | BigInt((words[at] ?? 0) >>> 0));
  }
}

const hex = (value: bigint): string => BigInt.asUintN(64, value).toString(16).padStart(16, '0');
