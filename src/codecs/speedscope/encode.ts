// SPDX-License-Identifier: Apache-2.0
import { getText } from '../../pdata/attributes.ts';
import type { Dictionary } from '../../pdata/dictionary.ts';
import { functionName, namelessLocation } from '../../pdata/folded.ts';
import {
  type Profile,
  type ProfilesBatch,
  type ResourceProfiles,
  weightOf,
} from '../../pdata/profiles-batch.ts';
import { listAt } from '../../pdata/tables.ts';

/** How `encodeSpeedscope` writes. */
export interface EncodeSpeedscopeOptions {
  /** Title of the file. */
  readonly name?: string;
  /** Characters of the whole file. Default 256 Mi, half of what a string can hold. */
  readonly maxLength?: number;
}

const SCHEMA = 'https://www.speedscope.app/file-format-schema.json';
const DEFAULT_MAX_LENGTH = 256 * 1024 * 1024;

/** speedscope's units by those in use: UCUM's, pprof's. */
const UNITS: ReadonlyMap<string, string> = new Map([
  ['ns', 'nanoseconds'],
  ['nanoseconds', 'nanoseconds'],
  ['us', 'microseconds'],
  ['microseconds', 'microseconds'],
  ['ms', 'milliseconds'],
  ['milliseconds', 'milliseconds'],
  ['s', 'seconds'],
  ['seconds', 'seconds'],
  ['By', 'bytes'],
  ['bytes', 'bytes'],
]);

/**
 * A batch as a file of speedscope: a "sampled" profile for each profile, in order, over shared frames. Not
 * kept: attributes, links, timestamps, mappings. Left out are samples whose weight is not above 0, which
 * speedscope cannot draw. Weights are written exactly; speedscope reads them as doubles. Throws RangeError
 * where the file would be larger than allowed.
 * Source: https://github.com/jlfwong/speedscope/wiki/Importing-from-custom-sources
 */
export function encodeSpeedscope(batch: ProfilesBatch, options: EncodeSpeedscopeOptions = {}): string {
  const frames = new Frames(batch.dictionary);
  const out = new Text(options.maxLength ?? DEFAULT_MAX_LENGTH);
  const head = { $schema: SCHEMA, exporter: 'otelcol-profiles', name: options.name };
  out.add(`${JSON.stringify(head).slice(0, -1)},"profiles":[`);
  let separator = '';
  for (const { resource, profile } of batch.profiles()) {
    out.add(separator);
    writeProfile(out, batch.dictionary, resource, profile, frames);
    separator = ',';
  }
  out.add('],"shared":{"frames":[');
  frames.texts.forEach((text, i) => out.add(i === 0 ? text : `,${text}`));
  out.add(']}}');
  return out.text;
}

function writeProfile(
  out: Text,
  dictionary: Dictionary,
  { resource }: ResourceProfiles,
  { sampleType, samples }: Profile,
  frames: Frames,
): void {
  const type = dictionary.text(sampleType.type);
  const service = getText(resource.attributes, 'service.name') ?? '';
  const name = JSON.stringify(service === '' ? type : `${service}: ${type}`);
  const unit = UNITS.get(dictionary.text(sampleType.unit)) ?? 'none';
  out.add(`{"type":"sampled","name":${name},"unit":"${unit}","startValue":0,"samples":[`);
  const weights: bigint[] = [];
  let total = 0n;
  for (let i = 0; i < samples.length; i++) {
    const weight = weightOf(samples, i);
    if (weight <= 0n) continue;
    out.add(`${weights.length === 0 ? '' : ','}[${frames.stack(samples.stack[i] ?? 0)}]`);
    weights.push(weight);
    total += weight;
  }
  out.add('],"weights":[');
  weights.forEach((weight, i) => out.add(i === 0 ? String(weight) : `,${weight}`));
  out.add(`],"endValue":${total}}`);
}

/** Text in pieces, up to a limit. */
class Text {
  readonly #maxLength: number;
  text = '';

  constructor(maxLength: number) {
    this.#maxLength = maxLength;
  }

  add(piece: string): void {
    if (this.text.length + piece.length > this.#maxLength)
      throw new RangeError(`speedscope file is larger than ${this.#maxLength} characters`);
    this.text += piece;
  }
}

/** The frames that all profiles share, each once, and stacks of them by their row. */
class Frames {
  readonly #dictionary: Dictionary;
  readonly texts: string[] = [];
  readonly #rows = new Map<string, number>();
  readonly #ofLocation = new Map<number, string>();
  readonly #ofStack = new Map<number, string>();

  constructor(dictionary: Dictionary) {
    this.#dictionary = dictionary;
  }

  /** Frame rows of a stack, root first, as the inside of a JSON list. */
  stack(row: number): string {
    let text = this.#ofStack.get(row);
    if (text === undefined) {
      const locations = listAt(this.#dictionary.tables.stacks.locations, row);
      text = Array.from(locations, (location) => this.#location(location))
        .reverse()
        .join(',');
      this.#ofStack.set(row, text);
    }
    return text;
  }

  #location(row: number): string {
    let text = this.#ofLocation.get(row);
    if (text === undefined) {
      text = this.#frames(row).reverse().join(',');
      this.#ofLocation.set(row, text);
    }
    return text;
  }

  /** Frame rows of a location, innermost inlined function first. */
  #frames(row: number): number[] {
    const { locations: l, functions: f } = this.#dictionary.tables;
    const from = l.lineStart[row] ?? 0;
    const to = l.lineStart[row + 1] ?? 0;
    if (from === to) return [this.#frame({ name: namelessLocation(this.#dictionary, row) })];
    return Array.from({ length: to - from }, (_, i) => {
      const fn = l.lineFunction[from + i] ?? 0;
      const file = this.#dictionary.text(f.filename[fn] ?? 0);
      const line = Number(l.lineLine[from + i] ?? 0n);
      const col = Number(l.lineColumn[from + i] ?? 0n);
      return this.#frame({
        name: functionName(this.#dictionary, fn),
        ...(file !== '' && { file }),
        ...(line > 0 && { line }),
        ...(col > 0 && { col }),
      });
    });
  }

  #frame(frame: { name: string; file?: string; line?: number; col?: number }): number {
    const text = JSON.stringify(frame);
    let row = this.#rows.get(text);
    if (row === undefined) {
      row = this.texts.push(text) - 1;
      this.#rows.set(text, row);
    }
    return row;
  }
}
