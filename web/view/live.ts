// SPDX-License-Identifier: Apache-2.0

/** Times without news after which ranges that end now are asked for again: they move on. */
const IDLE_MS = 5000;
const RETRY_MS = 3000;

/** Says when to look again: at most once at a time, not while paused or out of sight. */
export class Live {
  readonly #refresh: () => Promise<void>;
  readonly #changed: (isOn: boolean, isConnected: boolean) => void;
  #isOn = true;
  #isConnected = true;
  #isRunning = false;
  #isDirty = false;
  #idle: ReturnType<typeof setTimeout> | undefined;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #source: EventSource | undefined;

  constructor(refresh: () => Promise<void>, changed: (isOn: boolean, isConnected: boolean) => void) {
    this.#refresh = refresh;
    this.#changed = changed;
    document.addEventListener('visibilitychange', () => this.#watch());
    this.#watch();
  }

  /** Browsers open few connections to one host: a page out of sight leaves its own to others. */
  #watch(): void {
    clearTimeout(this.#retry);
    this.#source?.close();
    this.#source = undefined;
    if (document.visibilityState === 'hidden') return;
    const source = new EventSource('api/events');
    this.#source = source;
    source.addEventListener('data', () => this.#news());
    source.addEventListener('open', () => {
      this.#connected(true);
      this.#news();
    });
    source.addEventListener('error', () => {
      this.#connected(false);
      // After an answer other than success the browser does not try again by itself.
      if (source.readyState === EventSource.CLOSED) this.#retry = setTimeout(() => this.#watch(), RETRY_MS);
    });
  }

  toggle(): void {
    this.#isOn = !this.#isOn;
    this.#changed(this.#isOn, this.#isConnected);
    this.#news();
  }

  /** Looks again now, paused or not: the user asked for something else. */
  demand(): void {
    this.#isDirty = true;
    void this.#run();
  }

  #connected(isConnected: boolean): void {
    if (this.#isConnected === isConnected) return;
    this.#isConnected = isConnected;
    this.#changed(this.#isOn, isConnected);
  }

  #news(): void {
    if (!this.#isOn || document.visibilityState === 'hidden') return;
    this.demand();
  }

  async #run(): Promise<void> {
    if (this.#isRunning) return;
    this.#isRunning = true;
    clearTimeout(this.#idle);
    try {
      while (this.#isDirty) {
        this.#isDirty = false;
        await this.#refresh();
      }
      this.#connected(true);
    } catch {
      this.#connected(false);
    } finally {
      this.#isRunning = false;
      this.#idle = setTimeout(() => this.#news(), IDLE_MS);
    }
  }
}
