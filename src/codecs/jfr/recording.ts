// SPDX-License-Identifier: Apache-2.0
import type { Steps } from '../../internal/turns.ts';
import type { JfrBudget } from './budget.ts';
import { type Chunk, HEADER_SIZE } from './chunk.ts';
import { BYTES_A_STEP, Constants } from './constants.ts';
import type { Correlations } from './correlations.ts';
import { JfrCursor } from './cursor.ts';
import { type EventReader, eventReaders, EVENT_COUNT, Slot } from './events.ts';
import { IdIndex } from './id-index.ts';
import { LayoutCompiler, readIntegers, readValue } from './layout.ts';
import { type JfrMetadata, readMetadata, TypeId } from './metadata.ts';
import type { Settings } from './settings.ts';
import { CONSTANT_CLASSES, Symbols } from './symbols.ts';
import { Tally } from './tally.ts';

/** Samples of one kind and state. */
export interface Bucket {
  readonly reader: EventReader;
  readonly stateLo: number;
  readonly stateHi: number;
}

/** Kinds and states of a chunk together; a JVM knows a dozen states. */
const MAX_BUCKETS = 4_096;

/** The samples of one chunk, by stack and bucket, and what its ids mean. */
export interface ChunkSamples {
  readonly chunk: Chunk;
  /** By row of `stacks`, and of `keys`. */
  readonly tally: Tally;
  readonly stacks: IdIndex;
  /** By correlation, and index in `buckets`. */
  readonly keys: IdIndex;
  readonly buckets: readonly Bucket[];
  readonly symbols: Symbols;
}

/**
 * Reads a chunk; undefined where it is incomplete and has no metadata yet. Settings go to `settings`. Throws
 * DecodeError where the chunk is malformed; the torn end of an incomplete one is no fault.
 */
export function* readChunk(
  bytes: Uint8Array,
  chunk: Chunk,
  correlations: Correlations,
  settings: Settings,
  budget: JfrBudget,
): Steps<ChunkSamples | undefined> {
  const c = new JfrCursor(bytes, chunk.compressed, chunk.start + HEADER_SIZE, chunk.end);
  const metadataAt = chunk.metadata || (yield* findMetadata(c, chunk));
  if (metadataAt === 0) return undefined;
  c.pos = metadataAt;
  const metadata = readMetadata(c);
  yield;
  return yield* new ChunkReader(c, chunk, metadata, correlations, settings, budget).read();
}

/** The place of the last whole metadata event, or 0. */
function* findMetadata(c: JfrCursor, chunk: Chunk): Steps<number> {
  let found = 0;
  let until = chunk.start + BYTES_A_STEP;
  for (let at = chunk.start + HEADER_SIZE; ; ) {
    const size = startEvent(c, chunk, at);
    if (size === 0) return found;
    if (c.size('type id') === TypeId.Metadata) found = at;
    at += size;
    if (at < until) continue;
    until = at + BYTES_A_STEP;
    yield;
  }
}

/**
 * Goes behind the size of the event at a place, which is given; 0 at the end of the chunk, and where an incomplete
 * one has no further whole event.
 */
function startEvent(c: JfrCursor, chunk: Chunk, at: number): number {
  const left = chunk.end - at;
  if (left === 0) return 0;
  c.pos = at;
  c.end = chunk.end;
  // An event has a size and a type.
  const size = chunk.isIncomplete && left < 9 ? 0 : c.size('event size');
  if (size >= 2 && size <= left) return size;
  if (chunk.isIncomplete) return 0;
  return c.fail(`an event of ${size} bytes where ${left} are left of the chunk`, at);
}

class ChunkReader {
  readonly #c: JfrCursor;
  readonly #chunk: Chunk;
  readonly #metadata: JfrMetadata;
  readonly #correlations: Correlations;
  readonly #settings: Settings;
  readonly #constants: Constants;
  readonly #readers: ReadonlyMap<number, EventReader>;
  readonly #symbols: Symbols;
  readonly #tally = new Tally();
  readonly #stacks = new IdIndex();
  readonly #states = new IdIndex();
  readonly #keys = new IdIndex();
  /** By kind, and state. */
  readonly #bucketIndex = new IdIndex();
  readonly #buckets: Bucket[] = [];
  /** State and key + 1 of the last event of each kind that was tied to nothing: mostly the next one has the same. */
  readonly #last = new Int32Array(EVENT_COUNT * 3);
  /** Places of settings; the strings in them may be constants that come later. */
  readonly #settingPlaces: number[] = [];
  #isAtCheckpoint = false;

  constructor(
    c: JfrCursor,
    chunk: Chunk,
    metadata: JfrMetadata,
    correlations: Correlations,
    settings: Settings,
    budget: JfrBudget,
  ) {
    const compiler = new LayoutCompiler(c, metadata, budget);
    this.#c = c;
    this.#chunk = chunk;
    this.#metadata = metadata;
    this.#correlations = correlations;
    this.#settings = settings;
    this.#constants = new Constants(metadata, compiler, CONSTANT_CLASSES);
    this.#readers = eventReaders(c, metadata, compiler);
    this.#symbols = new Symbols(c, metadata, compiler, this.#constants, budget);
  }

  *read(): Steps<ChunkSamples> {
    const c = this.#c;
    const { start, end } = this.#chunk;
    for (let at = start + HEADER_SIZE; at >= 0; ) {
      at = this.#readEvents(at);
      if (this.#isAtCheckpoint) yield* this.#constants.readCheckpoint(c);
      yield;
    }
    c.end = end;
    for (let i = 0; i < this.#settingPlaces.length; i += 4) this.#addSetting(i);
    return {
      chunk: this.#chunk,
      tally: this.#tally,
      stacks: this.#stacks,
      keys: this.#keys,
      buckets: this.#buckets,
      symbols: this.#symbols,
    };
  }

  /**
   * Reads events for a while; gives the place of the next, or -1 where there is none. Stops behind the type of a
   * checkpoint too, which is left to the caller.
   */
  #readEvents(from: number): number {
    const c = this.#c;
    this.#isAtCheckpoint = false;
    const until = from + BYTES_A_STEP;
    let at = from;
    while (at < until) {
      const size = startEvent(c, this.#chunk, at);
      if (size === 0) return -1;
      at += size;
      c.end = at;
      const type = c.size('type id');
      if (type === TypeId.Checkpoint) {
        this.#isAtCheckpoint = true;
        return at;
      }
      const reader = this.#readers.get(type);
      if (reader !== undefined) this.#readEvent(reader);
    }
    return at;
  }

  #readEvent(reader: EventReader): void {
    const c = this.#c;
    const { slots } = reader;
    if (reader.plan === undefined) readValue(c, reader.layout, slots);
    else readIntegers(c, reader.plan, 1, slots, 0);
    c.checkEnd('an event');
    if (reader.kind === 'setting') {
      const [id, name, value] = [Slot.id * 2, Slot.name * 2, Slot.value * 2];
      this.#settingPlaces.push(slots[id] ?? 0, slots[id + 1] ?? 0, slots[name] ?? 0, slots[value] ?? 0);
      return;
    }
    const stack = this.#stacks.add(slots[0] as number, slots[1] as number);
    this.#tally.add(stack, this.#key(reader), 1, slots[2] as number, slots[3] as number);
  }

  #key(reader: EventReader): number {
    const { slots, row } = reader;
    const correlation = reader.isTied ? this.#correlations.add(slots) : 0;
    if (correlation !== 0) return this.#keys.add(correlation, this.#bucket(reader));
    const last = this.#last;
    const stateLo = slots[Slot.state * 2] as number;
    const stateHi = slots[Slot.state * 2 + 1] as number;
    const known = last[row * 3 + 2] as number;
    if (known !== 0 && last[row * 3] === stateLo && last[row * 3 + 1] === stateHi) return known - 1;
    const key = this.#keys.add(0, this.#bucket(reader));
    last.set([stateLo, stateHi, key + 1], row * 3);
    return key;
  }

  #bucket(reader: EventReader): number {
    const { slots } = reader;
    const stateLo = slots[Slot.state * 2] as number;
    const stateHi = slots[Slot.state * 2 + 1] as number;
    const state = this.#states.add(stateLo, stateHi);
    const known = this.#buckets.length;
    const row = this.#bucketIndex.add(reader.row, state);
    if (row === known) this.#buckets.push({ reader, stateLo, stateHi });
    if (row === MAX_BUCKETS) this.#c.fail('too many states of threads');
    return row;
  }

  #addSetting(at: number): void {
    const [idLo = 0, idHi = 0, name = 0, value = 0] = this.#settingPlaces.slice(at, at + 4);
    if (name === 0 || value === 0) return;
    const event = this.#metadata.byId.get(idHi * 0x1_0000_0000 + (idLo >>> 0))?.name ?? '';
    const text = this.#symbols.stringAt(value);
    if (text !== '') this.#settings.add(event, this.#symbols.stringAt(name), text);
  }
}
