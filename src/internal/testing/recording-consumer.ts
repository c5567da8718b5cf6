// SPDX-License-Identifier: Apache-2.0
import type { ProfilesConsumer } from '../../consumer/consumer.ts';
import { toFolded } from '../../pdata/folded.ts';
import type { ProfilesBatch } from '../../pdata/profiles-batch.ts';

type Answer = (batch: ProfilesBatch, signal: AbortSignal) => Promise<void> | void;

/** The end of a pipeline under test: keeps what it took and answers as the test says. */
export class RecordingConsumer implements ProfilesConsumer {
  /** Every batch offered, taken or refused, in order. */
  readonly offered: ProfilesBatch[] = [];
  /** Batches whose answer was success. */
  readonly batches: ProfilesBatch[] = [];
  #answer: Answer;
  readonly #waiting: { count: number; resolve: () => void }[] = [];

  constructor(answer: Answer = () => undefined) {
    this.#answer = answer;
  }

  /** From now on answers so. */
  answerWith(answer: Answer): void {
    this.#answer = answer;
  }

  /** From now on rejects with this error; `undefined` takes again. */
  failWith(error: Error | undefined): void {
    this.#answer = () => {
      if (error !== undefined) throw error;
    };
  }

  async consumeProfiles(batch: ProfilesBatch, signal: AbortSignal): Promise<void> {
    this.offered.push(batch);
    await this.#answer(batch, signal);
    this.batches.push(batch);
    for (const w of this.#waiting.splice(0)) {
      if (this.batches.length >= w.count) w.resolve();
      else this.#waiting.push(w);
    }
  }

  /** Resolves once at least `count` batches were taken. */
  taken(count: number): Promise<void> {
    if (this.batches.length >= count) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push({ count, resolve }));
  }

  /** Samples of all batches taken. */
  get sampleCount(): number {
    return this.batches.reduce((sum, b) => sum + b.sampleCount, 0);
  }

  /** All batches taken as sorted folded lines. */
  get folded(): string {
    return this.batches
      .flatMap((b) => toFolded(b).split('\n'))
      .sort()
      .join('\n');
  }
}
