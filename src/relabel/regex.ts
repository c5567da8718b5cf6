// SPDX-License-Identifier: Apache-2.0
import { type Groups, Re2, type Template } from '../internal/re2.ts';
import { type NativeRegex, nativeRegex } from './native-regex.ts';

/** Remembered per expression; label names and values repeat with every batch. */
const MEMO_ENTRIES = 256;
/** Longer texts are not kept. */
const MEMO_TEXT_LENGTH = 512;

/** Answers that are remembered. All go where they become too many: unlike with an Lru, finding one costs nothing more. */
class Memo<T> {
  readonly #known = new Map<string, T>();

  get(text: string): T | undefined {
    return this.#known.get(text);
  }

  keep(text: string, answer: T): T {
    if (text.length > MEMO_TEXT_LENGTH) return answer;
    if (this.#known.size >= MEMO_ENTRIES) this.#known.clear();
    this.#known.set(text, answer);
    return answer;
  }
}

/** What the expression comes down to where it needs no automaton: `text`, `text.*`, `text(.*)` … */
interface Simple {
  readonly prefix: string;
  readonly rest: 'none' | 'any' | 'some';
  readonly captures: boolean;
}

/** The regular expression of a relabel rule: it must match the whole text, newlines included. */
export class RelabelRegex {
  readonly source: string;
  readonly #re2: Re2;
  readonly #simple: Simple | undefined;
  readonly #native: NativeRegex | undefined;
  readonly #memo = new Memo<Groups | false>();

  /** Throws Error with Go's wording where `source` is no RE2 expression. */
  constructor(source: string) {
    this.source = source;
    this.#re2 = new Re2(source, { anchored: true });
    this.#simple = simplify(source);
    this.#native = this.#simple === undefined ? nativeRegex(source) : undefined;
  }

  test(text: string): boolean {
    const native = this.#native;
    if (native !== undefined && text.length <= native.maxLength) return native.regex.test(text);
    return this.match(text) !== undefined;
  }

  match(text: string): Groups | undefined {
    if (this.#simple !== undefined) return matchSimple(this.#simple, text);
    const native = this.#native;
    if (native !== undefined && text.length <= native.maxLength) return native.regex.exec(text) ?? undefined;
    const groups = this.#memo.get(text) ?? this.#memo.keep(text, this.#re2.match(text) ?? false);
    return groups === false ? undefined : groups;
  }

  /** A text that refers to the groups of this expression. */
  template(text: string): Template {
    return this.#re2.template(text);
  }
}

/** What label names become under an expression and a template: the few there are come with every set. */
export class Renames {
  readonly #regex: RelabelRegex;
  readonly #template: Template;
  readonly #memo = new Memo<string | false>();

  constructor(regex: RelabelRegex, template: Template) {
    this.#regex = regex;
    this.#template = template;
  }

  /** Undefined where the expression does not match. */
  of(name: string): string | undefined {
    const renamed = this.#memo.get(name) ?? this.#memo.keep(name, this.#renamed(name));
    return renamed === false ? undefined : renamed;
  }

  #renamed(name: string): string | false {
    const groups = this.#regex.match(name);
    return groups === undefined ? false : this.#template.expand(groups);
  }
}

const SIMPLE = /^\^?([^\\.+*?()|[\]{}^$]*)(\.[*+]|\(\.[*+]\))?\$?$/;

function simplify(source: string): Simple | undefined {
  const parts = SIMPLE.exec(source);
  if (parts === null) return undefined;
  const tail = parts[2] ?? '';
  const rest = tail === '' ? 'none' : tail.includes('*') ? 'any' : 'some';
  return { prefix: parts[1] ?? '', rest, captures: tail.startsWith('(') };
}

function matchSimple({ prefix, rest, captures }: Simple, text: string): Groups | undefined {
  if (rest === 'none') return text === prefix ? [text] : undefined;
  if (!text.startsWith(prefix) || (rest === 'some' && text.length === prefix.length)) return undefined;
  return captures ? [text, text.slice(prefix.length)] : [text];
}
