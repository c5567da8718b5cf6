// SPDX-License-Identifier: Apache-2.0
import { stringValue } from '../../pdata/any-value.ts';
import type { DictionaryBuilder } from '../../pdata/dictionary-builder.ts';

/**
 * A frame as V8's profilers tell it; lines and columns begin at 0.
 * Source: https://chromedevtools.github.io/devtools-protocol/tot/Runtime/#type-CallFrame
 */
export interface V8Frame {
  readonly functionName: string;
  readonly url: string;
  readonly lineNumber: number;
  readonly columnNumber: number;
}

const ROOT = '(root)';

/** Nodes of a V8 call tree as stacks of a dictionary. */
export class V8Stacks {
  readonly #builder: DictionaryBuilder;
  readonly #frameType: number;
  readonly #nodes = new Map<number, { readonly parent: number | undefined; readonly location: number }>();

  constructor(builder: DictionaryBuilder) {
    this.#builder = builder;
    this.#frameType = builder.attributeOf('profile.frame.type', stringValue('v8js'));
  }

  /** Adds a node; its parent may come later. */
  add(id: number, parent: number | undefined, frame: V8Frame): void {
    this.#nodes.set(id, { parent, location: frame.functionName === ROOT ? 0 : this.#locationOf(frame) });
  }

  /** The row of the stack from a node (leaf) to the root. */
  stackOf(id: number): number {
    const stack: number[] = [];
    for (let at = this.#nodes.get(id); at !== undefined; ) {
      if (at.location !== 0) stack.push(at.location);
      at = at.parent === undefined ? undefined : this.#nodes.get(at.parent);
    }
    return this.#builder.stack(stack);
  }

  #locationOf({ functionName, url, lineNumber, columnNumber }: V8Frame): number {
    const builder = this.#builder;
    const first = BigInt(lineNumber + 1);
    const name = builder.string(functionName === '' ? '(anonymous)' : functionName);
    const fn = builder.function(name, 0, builder.string(url), first);
    const line = { function: fn, line: first, column: BigInt(columnNumber + 1) };
    return builder.location(0, 0n, [this.#frameType], [line]);
  }
}

/** Nodes of a CPU profile in which no JavaScript ran. */
export const V8_IDLE: ReadonlySet<string> = new Set(['(idle)', ROOT, '(program)']);
