// SPDX-License-Identifier: Apache-2.0

/**
 * The promise's outcome, or a rejection with the signal's reason if that comes first. What the promise
 * does after that is nobody's concern any more, a rejection included.
 */
export function orAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = (): void => reject(signal.reason);
    if (signal.aborted) stop();
    signal.addEventListener('abort', stop, { once: true });
    const forget = (): void => signal.removeEventListener('abort', stop);
    promise.then(
      (value) => {
        forget();
        resolve(value);
      },
      (error: unknown) => {
        forget();
        reject(error);
      },
    );
  });
}

/**
 * The outcome of `work`, which is given a signal that aborts as soon as one of these does. Not `AbortSignal.any`: each
 * signal keeps a note of what that made of it, and one that lives as long as the process keeps them all.
 */
export async function withEither<T>(
  signals: readonly AbortSignal[],
  work: (either: AbortSignal) => Promise<T>,
): Promise<T> {
  const either = new AbortController();
  const listening = signals.map((signal) => {
    const stop = (): void => either.abort(signal.reason);
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
    return { signal, stop };
  });
  try {
    return await work(either.signal);
  } finally {
    for (const { signal, stop } of listening) signal.removeEventListener('abort', stop);
  }
}
