// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs';
import type { Server, Socket } from 'node:net';

/** A connection among those that share a room. It counts until `leave`. */
export interface Seat {
  /** A request begins. */
  busy(): void;
  /** A request has ended; as many of these as of `busy`. */
  idle(): void;
  leave(): void;
}

/**
 * Connections of one or more servers, as many as `max` together. Where one more comes, one without a request makes
 * room: the oldest that never had any, else the one that has been idle longest.
 */
export class ConnectionRoom {
  readonly max: number;
  readonly #unused = new Set<RoomSeat>();
  readonly #idle = new Set<RoomSeat>();
  #size = 0;

  constructor(max: number) {
    this.max = max;
  }

  get size(): number {
    return this.#size;
  }

  /** A seat for a new connection, or undefined where all others are busy. `evict`: gives way, at once. */
  enter(evict: () => void): Seat | undefined {
    if (this.#size >= this.max && !this.#makeRoom()) return undefined;
    const seat = new RoomSeat(evict, this.#unused, this.#idle, () => this.#size--);
    this.#size++;
    return seat;
  }

  #makeRoom(): boolean {
    for (const seats of [this.#unused, this.#idle]) {
      for (const seat of seats) {
        seat.leave();
        seat.evict();
        return true;
      }
    }
    return false;
  }
}

class RoomSeat implements Seat {
  readonly evict: () => void;
  readonly #unused: Set<RoomSeat>;
  readonly #idle: Set<RoomSeat>;
  readonly #onLeave: () => void;
  #requests = 0;
  #hasLeft = false;

  constructor(evict: () => void, unused: Set<RoomSeat>, idle: Set<RoomSeat>, onLeave: () => void) {
    this.evict = evict;
    this.#unused = unused;
    this.#idle = idle;
    this.#onLeave = onLeave;
    unused.add(this);
  }

  busy(): void {
    this.#requests++;
    this.#unused.delete(this);
    this.#idle.delete(this);
  }

  idle(): void {
    this.#requests--;
    if (this.#requests === 0 && !this.#hasLeft) this.#idle.add(this);
  }

  leave(): void {
    if (this.#hasLeft) return;
    this.#hasLeft = true;
    this.#unused.delete(this);
    this.#idle.delete(this);
    this.#onLeave();
  }
}

/** Why a connection was closed: all are busy, or it was idle and another came. */
export type RoomEnd = 'too_many_connections' | 'made_room';

/** A connection with its seat. */
export interface SeatedConnection {
  readonly seat: Seat;
  /** Closes it in place of destroying its socket. */
  close: (() => void) | undefined;
}

/**
 * Seats the connections of a server, and closes those that find no room. Gives the connection of a socket that the
 * server hands out, TLS or not; undefined where it is closed already.
 */
export function seatConnections(
  server: Server,
  room: ConnectionRoom,
  onEnd: (reason: RoomEnd) => void,
): (socket: Socket) => SeatedConnection | undefined {
  const known = new WeakMap<Socket, SeatedConnection>();
  // Node does not tell of which connection a TLS socket is, but both have the same two ends.
  const inHandshake = new Map<string, SeatedConnection>();
  server.prependListener('connection', (socket: Socket) => {
    const ends = endsOf(socket);
    const seat = room.enter(() => {
      onEnd('made_room');
      if (connection.close === undefined) socket.destroy();
      else connection.close();
    });
    if (seat === undefined) {
      onEnd('too_many_connections');
      // The listeners behind this one want a socket that is open. Nothing is read of it before.
      setImmediate(() => socket.destroy());
      return;
    }
    const connection: SeatedConnection = { seat, close: undefined };
    known.set(socket, connection);
    inHandshake.set(ends, connection);
    socket.once('close', () => {
      seat.leave();
      if (inHandshake.get(ends) === connection) inHandshake.delete(ends);
    });
  });
  server.prependListener('secureConnection', (socket: Socket) => {
    const connection = inHandshake.get(endsOf(socket));
    if (connection === undefined) return;
    known.set(socket, connection);
    connection.close ??= () => socket.destroy();
  });
  return (socket) => known.get(socket);
}

const endsOf = ({ remoteAddress, remotePort, localAddress }: Socket): string =>
  `${remoteAddress} ${remotePort} ${localAddress}`;

/** Of systems whose limit cannot be read. */
const UNKNOWN_FILE_LIMIT = 1_024;

/** How many files and sockets this process may have open. Node raises the soft limit to the hard one as it starts. */
export function openFileLimit(): number {
  try {
    return parseFileLimit(readFileSync('/proc/self/limits', 'utf8'));
  } catch (error) {
    if (error instanceof Error && 'code' in error) return UNKNOWN_FILE_LIMIT;
    throw error;
  }
}

/** The soft limit in the text of `/proc/PID/limits`. */
export function parseFileLimit(limits: string): number {
  const [, soft] = /^Max open files\s+(\S+)/m.exec(limits) ?? [];
  if (soft === 'unlimited') return Infinity;
  return Number(soft ?? NaN) || UNKNOWN_FILE_LIMIT;
}
