// SPDX-License-Identifier: Apache-2.0
import type { Theme } from '../model/palette.ts';

type Choice = Theme | 'auto';
const KEY = 'theme';
const NEXT: Readonly<Record<Choice, Choice>> = { auto: 'light', light: 'dark', dark: 'auto' };

/** Light or dark: the system's, until the user says otherwise. */
export class ThemeSwitch {
  readonly #system = window.matchMedia('(prefers-color-scheme: dark)');
  readonly #button: HTMLElement;
  readonly #changed: () => void;
  #choice: Choice = 'auto';

  constructor(button: HTMLElement, changed: () => void) {
    this.#button = button;
    this.#changed = changed;
    const stored = readStored();
    if (stored === 'light' || stored === 'dark') this.#choice = stored;
    this.#system.addEventListener('change', () => this.#apply());
    button.addEventListener('click', () => {
      this.#choice = NEXT[this.#choice];
      store(this.#choice);
      this.#apply();
    });
    this.#apply();
  }

  get current(): Theme {
    if (this.#choice !== 'auto') return this.#choice;
    return this.#system.matches ? 'dark' : 'light';
  }

  #apply(): void {
    document.documentElement.dataset['theme'] = this.current;
    const label = `Theme: ${this.#choice === 'auto' ? 'as the system' : this.#choice}`;
    this.#button.title = label;
    this.#button.setAttribute('aria-label', label);
    this.#changed();
  }
}

function readStored(): string | null {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null; // storage is switched off: the choice lasts as long as the page
  }
}

function store(choice: Choice): void {
  try {
    localStorage.setItem(KEY, choice);
  } catch {
    return; // as above
  }
}
