// SPDX-License-Identifier: Apache-2.0
import { hashEnd, hashInt, hashStart, Int32Column, RowIndex } from '../../pdata/columns.ts';

/** What the viewer tells of a function; `name`, `file`, `binary` and `kind` identify it, `line` does not. */
export interface Frame {
  readonly name: string;
  readonly file: string;
  /** Where the function starts, or the first line seen in it; 0 = unknown. */
  readonly line: number;
  /** Base name of the mapped file. */
  readonly binary: string;
  /** `profile.frame.type`: kernel, native, go, v8js, cpython … or empty. */
  readonly kind: string;
}

/** Upper estimates of what a row costs, its share of the hash index and of spare capacity included. */
const NODE_BYTES = 40;
const FRAME_BYTES = 72;
const STRING_BYTES = 80;

/** Longer names are cut: they could not be read anyway, and the budget counts them. */
const MAX_TEXT_LENGTH = 1024;

/**
 * All stacks of all series as one calling-context tree over interned frames. A stack is the node of its
 * leaf. A parent's id is always lower than its children's, so sums run up the tree in one backward pass.
 * Node 0 is the root.
 */
export class CallTree {
  #strings: string[] = [];
  #stringRows = new Map<string, number>();
  #stringBytes = 0;
  #frames = newFrames();
  #frameIndex = new RowIndex();
  #nodes = newNodes();
  #nodeIndex = new RowIndex();

  constructor() {
    this.#reset();
  }

  #reset(): void {
    this.#strings = [];
    this.#stringRows = new Map();
    this.#stringBytes = 0;
    this.#frames = newFrames();
    this.#frameIndex = new RowIndex();
    this.#nodes = newNodes();
    this.#nodeIndex = new RowIndex();
    this.frame({ name: '', file: '', line: 0, binary: '', kind: '' });
    this.#nodes.parent.push(-1);
    this.#nodes.frame.push(0);
  }

  get nodeCount(): number {
    return this.#nodes.frame.length;
  }

  get frameCount(): number {
    return this.#frames.name.length;
  }

  get stringCount(): number {
    return this.#strings.length;
  }

  /** Upper estimate of the memory held. */
  get bytes(): number {
    return this.nodeCount * NODE_BYTES + this.frameCount * FRAME_BYTES + this.#stringBytes;
  }

  parentOf(node: number): number {
    return this.#nodes.parent.get(node);
  }

  frameOf(node: number): number {
    return this.#nodes.frame.get(node);
  }

  frameAt(row: number): Frame {
    return readFrame(this.#frames, this.#strings, row);
  }

  #string(text: string): number {
    const known = this.#stringRows.get(text);
    if (known !== undefined) return known;
    if (text.length <= MAX_TEXT_LENGTH) return this.#addString(text);
    const kept = `${text.slice(0, MAX_TEXT_LENGTH - 1)}…`;
    return this.#stringRows.get(kept) ?? this.#addString(kept);
  }

  /** Row of a frame, new or known. */
  frame(frame: Frame): number {
    const f = this.#frames;
    const name = this.#string(frame.name);
    const file = this.#string(frame.file);
    const binary = this.#string(frame.binary);
    const kind = this.#string(frame.kind);
    const hash = hashFrame(name, file, binary, kind);
    const found = this.#frameIndex.find(
      hash,
      (r) =>
        f.name.get(r) === name &&
        f.file.get(r) === file &&
        f.binary.get(r) === binary &&
        f.kind.get(r) === kind,
    );
    return found >= 0 ? found : this.#addFrame(hash, name, file, binary, kind, frame.line);
  }

  /** The child of `parent` for `frame`, new or known. */
  child(parent: number, frame: number): number {
    const n = this.#nodes;
    const hash = hashNode(parent, frame);
    const found = this.#nodeIndex.find(hash, (r) => n.parent.get(r) === parent && n.frame.get(r) === frame);
    return found >= 0 ? found : this.#addNode(hash, parent, frame);
  }

  /**
   * Forgets every node that is neither marked in `used` nor an ancestor of one that is, and the frames
   * and strings that only those named. Returns the new id of each old node. `used` is consumed.
   */
  compact(used: Uint8Array): Int32Array {
    const old = {
      parent: this.#nodes.parent,
      frame: this.#nodes.frame,
      frames: this.#frames,
      strings: this.#strings,
    };
    const count = this.nodeCount;
    for (let node = count - 1; node > 0; node--) if (used[node] === 1) used[old.parent.get(node)] = 1;
    const frameRows = new Int32Array(this.frameCount).fill(-1);
    const stringRows = new Int32Array(this.stringCount).fill(-1);
    frameRows[0] = 0;
    stringRows[0] = 0;
    this.#reset();
    const ids = new Int32Array(count);
    const string = (row: number): number => {
      if (stringRows[row] === -1) stringRows[row] = this.#addString(old.strings[row] ?? '');
      return stringRows[row] as number;
    };
    // What was distinct stays so: rows are added without a search for their equals.
    for (let node = 1; node < count; node++) {
      if (used[node] !== 1) continue;
      const row = old.frame.get(node);
      if (frameRows[row] === -1) {
        const { name, file, binary, kind, line } = old.frames;
        const to = [
          string(name.get(row)),
          string(file.get(row)),
          string(binary.get(row)),
          string(kind.get(row)),
        ] as const;
        frameRows[row] = this.#addFrame(hashFrame(...to), ...to, line.get(row));
      }
      const parent = ids[old.parent.get(node)] as number;
      const frame = frameRows[row] as number;
      ids[node] = this.#addNode(hashNode(parent, frame), parent, frame);
    }
    return ids;
  }

  #addString(text: string): number {
    const row = this.#strings.push(text) - 1;
    this.#stringRows.set(text, row);
    this.#stringBytes += STRING_BYTES + 2 * text.length;
    return row;
  }

  #addFrame(hash: number, name: number, file: number, binary: number, kind: number, line: number): number {
    const f = this.#frames;
    f.name.push(name);
    f.file.push(file);
    f.binary.push(binary);
    f.kind.push(kind);
    f.line.push(line);
    this.#frameIndex.add(hash, f.name.length - 1);
    return f.name.length - 1;
  }

  #addNode(hash: number, parent: number, frame: number): number {
    this.#nodes.parent.push(parent);
    this.#nodes.frame.push(frame);
    this.#nodeIndex.add(hash, this.#nodes.frame.length - 1);
    return this.#nodes.frame.length - 1;
  }
}

function hashFrame(name: number, file: number, binary: number, kind: number): number {
  return hashEnd(hashInt(hashInt(hashInt(hashInt(hashStart(), name), file), binary), kind));
}

function hashNode(parent: number, frame: number): number {
  return hashEnd(hashInt(hashInt(hashStart(), parent), frame));
}

function readFrame(frames: FrameRows, strings: readonly string[], row: number): Frame {
  return {
    name: strings[frames.name.get(row)] ?? '',
    file: strings[frames.file.get(row)] ?? '',
    line: frames.line.get(row),
    binary: strings[frames.binary.get(row)] ?? '',
    kind: strings[frames.kind.get(row)] ?? '',
  };
}

interface FrameRows {
  readonly name: Int32Column;
  readonly file: Int32Column;
  readonly line: Int32Column;
  readonly binary: Int32Column;
  readonly kind: Int32Column;
}

function newFrames(): FrameRows {
  return {
    name: new Int32Column(),
    file: new Int32Column(),
    line: new Int32Column(),
    binary: new Int32Column(),
    kind: new Int32Column(),
  };
}

function newNodes(): { readonly parent: Int32Column; readonly frame: Int32Column } {
  return { parent: new Int32Column(), frame: new Int32Column() };
}
