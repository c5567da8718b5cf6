// SPDX-License-Identifier: Apache-2.0
import { Lru } from '../../internal/lru.ts';
import { mergeEqualSamples } from '../../pdata/aggregate.ts';
import { stringValue, valueToText } from '../../pdata/any-value.ts';
import { DictionaryBuilder, type LineRow } from '../../pdata/dictionary-builder.ts';
import type { Dictionary } from '../../pdata/dictionary.ts';
import { collectGarbage } from '../../pdata/garbage.ts';
import { ProfilesBatch, withProfiles, withSamples, withScopes } from '../../pdata/profiles-batch.ts';
import { withColumns } from '../../pdata/samples.ts';
import { listAt } from '../../pdata/tables.ts';
import { type LabelSet, relabel, type RelabelResult } from '../../relabel/relabel.ts';
import type { Rule } from '../../relabel/rule.ts';

const TYPE = 'profile.frame.type';
/** Of a location that stays out of the stacks. */
const GONE = -1;

/** What the processor is told: so many frames of the dictionary that a rule dropped. */
export type CountFrames = (rule: number, frames: number) => void;

/**
 * Applies rules to every frame: the labels are `function`, `system_function`, `file`, `mapping` and `type`. A
 * frame that is dropped leaves the stacks that it is in; their samples keep their weight, and those that have
 * become alike are made one. A stack of which nothing is left is empty.
 */
export class FrameRelabeler {
  readonly #rules: readonly Rule[];
  readonly #results: Lru<string, RelabelResult>;
  readonly #count: CountFrames;

  constructor(rules: readonly Rule[], remembered: number, count: CountFrames) {
    this.#rules = rules;
    this.#results = new Lru(remembered);
    this.#count = count;
  }

  /** The same batch where nothing changes. */
  apply(batch: ProfilesBatch): ProfilesBatch {
    const pass = new FramePass(batch.dictionary, (labels) => this.#resultOf(labels), this.#count);
    const locations = pass.locations();
    if (locations === undefined) return batch;
    const stacks = pass.stacks(locations);
    const resources = batch.resources.map((rp) =>
      withScopes(
        rp,
        rp.scopes.map((sp) =>
          withProfiles(
            sp,
            sp.profiles.map((p) => {
              const stack = p.samples.stack.map((row) => stacks[row] ?? row);
              return withSamples(p, withColumns(p.samples, { stack }));
            }),
          ),
        ),
      ),
    );
    // Names that were replaced must not travel on beside those that took their place.
    const clean = collectGarbage(new ProfilesBatch(pass.build(), resources, batch.unknown));
    return mergeEqualSamples(clean);
  }

  #resultOf(labels: LabelSet): RelabelResult {
    const key = JSON.stringify([...labels]);
    const known = this.#results.get(key);
    if (known !== undefined) return known;
    const result = relabel(labels, this.#rules);
    this.#results.set(key, result);
    return result;
  }
}

/** What becomes of the frames that are one function in one mapping. */
interface Outcome {
  readonly function: number;
  /** The name of its mapping, where that changes. */
  readonly mapping: string | undefined;
  /** The type of its frame, where that changes; "" where it has none any more. */
  readonly type: string | undefined;
}

/** One batch. */
class FramePass {
  readonly #dictionary: Dictionary;
  readonly #builder: DictionaryBuilder;
  readonly #resultOf: (labels: LabelSet) => RelabelResult;
  readonly #count: CountFrames;
  readonly #outcomes = new Map<string, Outcome | number>();

  constructor(dictionary: Dictionary, resultOf: (labels: LabelSet) => RelabelResult, count: CountFrames) {
    this.#dictionary = dictionary;
    this.#builder = new DictionaryBuilder(dictionary);
    this.#resultOf = resultOf;
    this.#count = count;
  }

  build(): Dictionary {
    return this.#builder.build();
  }

  /** The row that takes the place of each location; undefined where all stay. */
  locations(): Int32Array | undefined {
    const { length } = this.#dictionary.tables.locations;
    const out = new Int32Array(length);
    let isSame = true;
    for (let row = 1; row < length; row++) {
      out[row] = this.#location(row);
      if (out[row] !== row) isSame = false;
    }
    return isSame ? undefined : out;
  }

  /** The row that takes the place of each stack. */
  stacks(locations: Int32Array): Int32Array {
    const { stacks } = this.#dictionary.tables;
    return Int32Array.from({ length: stacks.length }, (_, row) => {
      const list = listAt(stacks.locations, row);
      if (list.every((location) => locations[location] === location)) return row;
      return this.#builder.stack(
        list.map((location) => locations[location] ?? location).filter((to) => to !== GONE),
      );
    });
  }

  #location(row: number): number {
    const t = this.#dictionary.tables.locations;
    const [from = 0, to = 0] = [t.lineStart[row], t.lineStart[row + 1]];
    const mapping = t.mapping[row] ?? 0;
    const attributes = listAt(t.attributes, row);
    const type = this.#typeOf(attributes);
    const lines: LineRow[] = [];
    let first: Outcome | undefined;
    let isSame = true;
    // A location without a line is a frame without a function.
    for (let i = from; i < Math.max(to, from + 1); i++) {
      const before = i < to ? (t.lineFunction[i] ?? 0) : 0;
      const outcome = this.#outcomeOf(before, mapping, type);
      if (typeof outcome === 'number') {
        this.#count(outcome, 1);
        isSame = false;
        continue;
      }
      first ??= outcome;
      if (outcome.function !== before) isSame = false;
      // Behind its lines are those of the next location.
      if (i < to)
        lines.push({ function: outcome.function, line: t.lineLine[i] ?? 0n, column: t.lineColumn[i] ?? 0n });
      else if (outcome.function !== 0) lines.push({ function: outcome.function, line: 0n, column: 0n });
    }
    if (first === undefined) return GONE;
    if (isSame && first.mapping === undefined && first.type === undefined) return row;
    return this.#builder.location(
      first.mapping === undefined ? mapping : this.#mapping(mapping, first.mapping),
      t.address[row] ?? 0n,
      first.type === undefined ? attributes : this.#withType(attributes, first.type),
      lines,
    );
  }

  #outcomeOf(fn: number, mapping: number, type: string): Outcome | number {
    const key = `${fn} ${mapping} ${type}`;
    let outcome = this.#outcomes.get(key);
    if (outcome === undefined) {
      outcome = this.#make(fn, mapping, type);
      this.#outcomes.set(key, outcome);
    }
    return outcome;
  }

  #make(fn: number, mapping: number, type: string): Outcome | number {
    const { functions, mappings } = this.#dictionary.tables;
    const text = (row: number | undefined): string => this.#dictionary.text(row ?? 0);
    const before = {
      function: text(functions.name[fn]),
      system_function: text(functions.systemName[fn]),
      file: text(functions.filename[fn]),
      mapping: text(mappings.filename[mapping]),
      type,
    };
    const result = this.#resultOf(new Map(Object.entries(before).filter(([, value]) => value !== '')));
    if (!result.kept) return result.rule;
    const after = (label: keyof typeof before): string => result.labels.get(label) ?? '';
    const isNamedAlike = (['function', 'system_function', 'file'] as const).every(
      (k) => after(k) === before[k],
    );
    const b = this.#builder;
    return {
      function: isNamedAlike
        ? fn
        : b.function(
            b.string(after('function')),
            b.string(after('system_function')),
            b.string(after('file')),
            functions.startLine[fn] ?? 0n,
          ),
      mapping: after('mapping') === before.mapping ? undefined : after('mapping'),
      type: after('type') === type ? undefined : after('type'),
    };
  }

  #mapping(row: number, filename: string): number {
    const t = this.#dictionary.tables.mappings;
    const name = this.#builder.string(filename);
    const [start = 0n, limit = 0n, offset = 0n] = [t.memoryStart[row], t.memoryLimit[row], t.fileOffset[row]];
    return this.#builder.mapping(start, limit, offset, name, listAt(t.attributes, row));
  }

  #typeOf(attributes: Int32Array): string {
    const row = attributes.find((attribute) => this.#dictionary.attributeKey(attribute) === TYPE);
    return row === undefined ? '' : valueToText(this.#dictionary.attributeValue(row));
  }

  #withType(attributes: Int32Array, type: string): number[] {
    const others = [...attributes].filter((row) => this.#dictionary.attributeKey(row) !== TYPE);
    return type === '' ? others : [...others, this.#builder.attributeOf(TYPE, stringValue(type))];
  }
}
