// SPDX-License-Identifier: Apache-2.0

/** A long computation that stops now and then, about every millisecond; what it returns is its result. */
export type Steps<T> = Generator<undefined, T>;

/** How long the event loop is held at a time; timers and sockets come next. */
const SLICE_MS = 5;

interface Task {
  /** Goes on until `untilMs`; false when there is nothing left to do. */
  readonly advance: (untilMs: number) => boolean;
}

const waiting: Task[] = [];

/**
 * Does a computation in turns with the event loop: however many are under way, all of them together hold it for 5 ms
 * at a time, each in its turn. One that is short is done before this returns, where no other is under way. Rejects
 * with what the steps throw, or with the reason of the signal.
 */
export function inTurns<T>(steps: Steps<T>, signal?: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const task: Task = {
      advance(untilMs) {
        try {
          signal?.throwIfAborted();
          do {
            const { done, value } = steps.next();
            if (done !== true) continue;
            resolve(value);
            return false;
          } while (performance.now() < untilMs);
          return true;
        } catch (error) {
          reject(error);
          return false;
        }
      },
    };
    const isAlone = waiting.length === 0;
    if (isAlone && !task.advance(performance.now() + SLICE_MS)) return;
    waiting.push(task);
    if (isAlone) setImmediate(turn);
  });
}

function turn(): void {
  const untilMs = performance.now() + SLICE_MS;
  do {
    const task = waiting[0];
    if (task === undefined) return;
    // While it advances it stays in the queue, so that nobody starts another turn.
    const isLeft = task.advance(untilMs);
    waiting.shift();
    if (isLeft) waiting.push(task);
  } while (performance.now() < untilMs);
  if (waiting.length > 0) setImmediate(turn);
}

/** The result of a computation that nobody interrupts. */
export function atOnce<T>(steps: Steps<T>): T {
  for (;;) {
    const { done, value } = steps.next();
    if (done === true) return value;
  }
}
